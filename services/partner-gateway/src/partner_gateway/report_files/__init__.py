"""Report files: what partners tell in CSV and Excel files, and how staff read them in."""
