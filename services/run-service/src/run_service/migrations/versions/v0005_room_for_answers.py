"""Room for what becomes of a run's members, and an index of those that the partner refused."""

from typing import Final

from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"

_DROP_INDEX: Final = "DROP INDEX CONCURRENTLY IF EXISTS run_members_reason_code"


def upgrade() -> None:
    """Leave room on each page, so that a new status needs no new entry in any index.

    For the same reason the index does not ask for the status: it names only what stays as it is
    when a member is taken, or its case ends.
    """
    op.execute("ALTER TABLE run_members SET (fillfactor = 50)")
    with op.get_context().autocommit_block():  # answers and handovers go on meanwhile
        # An attempt that was broken off leaves an index behind that nothing is found by.
        op.execute(_DROP_INDEX)
        op.execute(
            """
            CREATE INDEX CONCURRENTLY run_members_reason_code
            ON run_members (tenant_id, run_id, reason_code)
            WHERE reason_code IS NOT NULL
            """
        )


def downgrade() -> None:
    """Drop the index, and write pages full again."""
    with op.get_context().autocommit_block():
        op.execute(_DROP_INDEX)
    op.execute("ALTER TABLE run_members RESET (fillfactor)")
