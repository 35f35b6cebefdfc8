"""Runs: handovers of many members, from their making to their end."""
