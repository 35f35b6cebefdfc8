"""The one Alembic environment that the migrations of every service run in."""
