"""What is said of a run as a whole: its reversal, and answers to all of it."""
