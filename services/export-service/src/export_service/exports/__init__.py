"""Exports: files made of runs, and the jobs of making them."""
