"""A claim of a new case needs no amounts of what happens to it later."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Set the default that the other amounts of the table have; no row is written anew."""
    op.execute("ALTER TABLE case_claims ALTER COLUMN collected SET DEFAULT 0")


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE case_claims ALTER COLUMN collected DROP DEFAULT")
