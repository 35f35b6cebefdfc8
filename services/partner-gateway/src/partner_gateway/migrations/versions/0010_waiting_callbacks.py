"""Callbacks that wait: which pages may end that, and since when they do.

Revision ID: 0010
"""

from alembic import op

from kit.plumbing import expect_new_tenants

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_CREATE: tuple[str, ...] = (
    "ALTER TABLE deliveries ADD COLUMN callbacks_released boolean NOT NULL DEFAULT false",
    """
    COMMENT ON COLUMN deliveries.callbacks_released IS
    'of a page: whether no callback waits any more for its cases or its run'
    """,
    """
    CREATE INDEX deliveries_to_release ON deliveries (request_id)
    WHERE kind = 'HANDOVER' AND NOT callbacks_released
    """,
    """
    CREATE INDEX callbacks_waiting_since ON callbacks (handled_at) WHERE status = 'WAITING'
    """,
)


def upgrade() -> None:
    """Change the tables; the release before goes on with them."""
    for statement in _CREATE:
        op.execute(statement)
    expect_new_tenants()


def downgrade() -> None:
    """Take the changes back."""
    op.execute("DROP INDEX callbacks_waiting_since, deliveries_to_release")
    op.execute("ALTER TABLE deliveries DROP COLUMN callbacks_released")
