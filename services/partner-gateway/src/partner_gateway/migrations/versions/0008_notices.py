"""Notices that are overdue, and what is told of them.

Revision ID: 0008
"""

from alembic import op

from kit.plumbing import expect_new_tenants

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_CREATE: tuple[str, ...] = (
    """
    ALTER TABLE notices
    ADD COLUMN reason text CHECK (reason IN ('CASE_CANCELLED', 'RUN_REVERSED')),
    ADD COLUMN overdue_since timestamptz,
    ADD COLUMN refusal text,
    ADD COLUMN told_to text
    """,
    "COMMENT ON COLUMN notices.reason IS 'why a partner must stop; not known of older notices'",
    "COMMENT ON COLUMN notices.overdue_since IS 'when it was found that due_on had passed'",
    "COMMENT ON COLUMN notices.refusal IS 'why the partner says that it refuses it'",
    "COMMENT ON COLUMN notices.told_to IS 'whom at the partner staff told'",
    "ALTER TABLE cases ADD COLUMN voucher_ids jsonb",
    "COMMENT ON COLUMN cases.voucher_ids IS 'by claim: under which id the partner knows it'",
    "CREATE INDEX notices_tenant ON notices (tenant_id, notice_id)",
    "CREATE INDEX notices_studio ON notices (tenant_id, studio_id, notice_id)",
    "CREATE INDEX notices_kind ON notices (tenant_id, kind, notice_id)",
    "CREATE INDEX notices_run ON notices (tenant_id, run_id, notice_id)",
    """
    CREATE INDEX notices_duties ON notices (tenant_id, partner_id, notice_id)
    WHERE status = 'FAILED' OR status = 'DUE' AND request_id IS NULL
    """,
    """
    CREATE INDEX notices_overdue ON notices (tenant_id, notice_id)
    WHERE overdue_since IS NOT NULL AND status <> 'ACKNOWLEDGED'
    """,
    """
    CREATE INDEX notices_not_overdue ON notices (due_on)
    WHERE overdue_since IS NULL AND status <> 'ACKNOWLEDGED'
    """,
)


def upgrade() -> None:
    """Change the tables; the release before goes on with them."""
    for statement in _CREATE:
        op.execute(statement)
    expect_new_tenants()


def downgrade() -> None:
    """Take the changes back."""
    op.execute("DROP INDEX notices_not_overdue, notices_overdue, notices_duties, notices_run")
    op.execute("DROP INDEX notices_kind, notices_studio, notices_tenant")
    op.execute("ALTER TABLE cases DROP COLUMN voucher_ids")
    op.execute(
        """
        ALTER TABLE notices
        DROP COLUMN reason, DROP COLUMN overdue_since, DROP COLUMN refusal, DROP COLUMN told_to
        """
    )
