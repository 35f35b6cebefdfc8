"""Claims as receivables has them, and what their changes do to cases."""
