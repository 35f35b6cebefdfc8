"""The steps that bring the database of case-service from one release to the next."""
