"""The ledger: what is written down, and whether the balances agree with it."""
