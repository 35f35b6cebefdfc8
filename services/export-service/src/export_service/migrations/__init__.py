"""Alembic migrations, run by the kit."""
