"""The schema of the partner gateway's database, one file for each step."""
