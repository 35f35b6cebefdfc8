"""A new case needs no amount of what cannot have come in yet."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Set the default that the other amounts of the table have; no row is written anew."""
    op.execute("ALTER TABLE cases ALTER COLUMN unallocated SET DEFAULT 0")


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE cases ALTER COLUMN unallocated DROP DEFAULT")
