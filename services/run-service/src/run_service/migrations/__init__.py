"""The versions of the database of run-service."""
