"""Balances: what partners say was paid so far, and the payments that follow from it."""
