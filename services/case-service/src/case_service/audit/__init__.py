"""The audit: is everything that is kept and published what the entries say? (R31).

It has code of its own: nothing that writes the ledger is used here, so a fault there cannot hide
itself.
"""
