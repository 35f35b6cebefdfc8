"""Kinds of APIs, and what is known of cases at partners by hand.

Revision ID: 0003
"""

from alembic import op

from kit.plumbing import expect_new_tenants

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_CREATE: tuple[str, ...] = (
    """
    ALTER TABLE partners
    ADD COLUMN api text NOT NULL DEFAULT 'STANDARD' CHECK (api IN ('STANDARD', 'BALANCES'))
    """,
    "COMMENT ON COLUMN partners.api IS 'the kind of API; means nothing for a partner by hand'",
    "ALTER TABLE cases ADD COLUMN file_number text, ADD COLUMN currency text",
    "COMMENT ON COLUMN cases.currency IS 'of its claims; known from the handover on'",
    "DROP INDEX cases_waiting",
    """
    CREATE INDEX cases_waiting ON cases (tenant_id, partner_id, run_id, booking_number)
    WHERE request_id IS NULL AND item IS NOT NULL
    """,
    "CREATE INDEX cases_file_number ON cases (tenant_id, partner_id, file_number)",
    """
    COMMENT ON TABLE cases IS
    'cases at partners; item is what goes to an API, and is kept until the page was answered'
    """,
)


def upgrade() -> None:
    """Change the tables; the release before goes on with them."""
    for statement in _CREATE:
        op.execute(statement)
    expect_new_tenants()


def downgrade() -> None:
    """Take the changes back."""
    op.execute("DROP INDEX cases_file_number")
    op.execute("DROP INDEX cases_waiting")
    op.execute(
        "CREATE INDEX cases_waiting ON cases (tenant_id, partner_id, run_id, booking_number) "
        "WHERE request_id IS NULL AND ended_at IS NULL"
    )
    op.execute("ALTER TABLE cases DROP COLUMN currency, DROP COLUMN file_number")
    op.execute("ALTER TABLE partners DROP COLUMN api")
