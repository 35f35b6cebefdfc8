"""Since when partners should have known what they must be told."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the release before goes on without it."""
    op.execute("ALTER TABLE notices ADD COLUMN overdue_since timestamptz")


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE notices DROP COLUMN overdue_since")
