"""Changes of claims at partners, and the order of what a partner is told about a case.

Revision ID: 0002
"""

from alembic import op

from kit.plumbing import expect_new_tenants

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_CREATE = (
    """
    CREATE TABLE claim_changes (
        notice_id uuid PRIMARY KEY,
        arrival bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        case_id uuid NOT NULL,
        run_id uuid NOT NULL,
        member_id uuid NOT NULL,
        studio_id uuid NOT NULL,
        claim_id uuid NOT NULL,
        snapshot_sequence bigint NOT NULL,
        claim_change jsonb NOT NULL,
        due_on date NOT NULL,
        told boolean NOT NULL DEFAULT false,
        correlation_id text NOT NULL,
        traceparent text,
        UNIQUE (tenant_id, case_id, claim_id, snapshot_sequence),
        FOREIGN KEY (tenant_id, partner_id) REFERENCES partners (tenant_id, partner_id)
    )
    """,
    "COMMENT ON TABLE claim_changes IS 'what notices say of claims'",
    "COMMENT ON COLUMN claim_changes.notice_id IS 'the notice that tells it, once it is told'",
    "COMMENT ON COLUMN claim_changes.told IS 'whether the notice is there'",
    """
    CREATE INDEX claim_changes_untold ON claim_changes (tenant_id, partner_id, arrival)
    WHERE NOT told
    """,
    "CREATE INDEX notices_case ON notices (tenant_id, case_id)",
    """
    ALTER TABLE cases
    ADD COLUMN last_request_id uuid,
    ADD FOREIGN KEY (tenant_id, last_request_id) REFERENCES deliveries (tenant_id, request_id)
    """,
    "COMMENT ON COLUMN cases.last_request_id IS 'the notice sent last; what follows waits for it'",
    """
    COMMENT ON TABLE cases IS
    'cases for partners with an API, and ended ones of others: item is kept until it was answered'
    """,
)


def upgrade() -> None:
    """Make the table; the release before goes on without it."""
    for statement in _CREATE:
        op.execute(statement)
    expect_new_tenants()


def downgrade() -> None:
    """Drop the table with all that is in it; its notices stay, without what they say."""
    op.execute("ALTER TABLE cases DROP COLUMN last_request_id")
    op.execute("DROP INDEX notices_case")
    op.execute("DROP TABLE claim_changes")
