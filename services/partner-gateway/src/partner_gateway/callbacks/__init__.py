"""Callbacks: what partners tell us by themselves."""
