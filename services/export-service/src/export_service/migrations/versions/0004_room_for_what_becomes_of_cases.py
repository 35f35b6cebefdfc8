"""Room beside each case for what becomes of it.

All cases of a run are opened soon after they came, and closed by one order when it is reversed. A
page that is full has no room for new versions of its rows: they go to other pages, and each gets
a new entry in both indexes, which took PostgreSQL as long as the change itself.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Fills pages of the overview by half; those that are there stay as they are."""
    op.execute("ALTER TABLE cases SET (fillfactor = 50)")


def downgrade() -> None:
    """Fills pages again."""
    op.execute("ALTER TABLE cases RESET (fillfactor)")
