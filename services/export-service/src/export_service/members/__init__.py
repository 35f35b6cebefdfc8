"""Everyone ever handed over: one row for each case, and what has become of it (R20, R42)."""
