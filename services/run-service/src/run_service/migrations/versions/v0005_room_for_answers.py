"""Room for what becomes of a run's members, and an index of those that the partner refused."""

from typing import Final

from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"


def upgrade() -> None:
    """Leave room on each page, so that a new status needs no new entry in any index.

    For the same reason the index does not ask for the status: it names only what stays as it is
    when a member is taken, or its case ends.
    """
    op.execute("ALTER TABLE run_members SET (fillfactor = 50)")
    op.execute(
        """
        CREATE INDEX run_members_reason_code ON run_members (tenant_id, run_id, reason_code)
        WHERE reason_code IS NOT NULL
        """
    )


def downgrade() -> None:
    """Drop the index, and write pages full again."""
    op.execute("DROP INDEX run_members_reason_code")
    op.execute("ALTER TABLE run_members RESET (fillfactor)")
