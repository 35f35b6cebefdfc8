"""Runs: what was announced of them, and the members that have arrived, as rows of 61 columns."""
