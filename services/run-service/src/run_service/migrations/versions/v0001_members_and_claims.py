"""Members and claims as their owners publish them, and the plumbing's tables."""

from typing import Final

from alembic import op

from kit import plumbing

revision: Final = "0001"
down_revision: Final = None

_CREATE: Final = (
    """
    CREATE TABLE studios (
        tenant_id uuid NOT NULL,
        studio_id uuid NOT NULL,
        sequence bigint NOT NULL,
        name text NOT NULL,
        snapshot jsonb NOT NULL,
        PRIMARY KEY (tenant_id, studio_id)
    )
    """,
    """
    CREATE TABLE members (
        tenant_id uuid NOT NULL,
        member_id uuid NOT NULL,
        sequence bigint,
        studio_id uuid,
        membership_number text,
        name text,
        surname text,
        search_text text,
        last_level_passed_on date,
        blocked_until date,
        of_age_on date,
        has_guardian boolean,
        has_address boolean,
        guardian_has_address boolean,
        claim_ids uuid[] DEFAULT '{}' NOT NULL,
        claim_sequences bigint[] DEFAULT '{}' NOT NULL,
        claim_amounts numeric(14, 2)[] DEFAULT '{}' NOT NULL,
        disputed_count integer DEFAULT 0 NOT NULL,
        currency text,
        total numeric(20, 2),
        arose_on date,
        PRIMARY KEY (tenant_id, member_id)
    )
    """,
    "COMMENT ON COLUMN members.name IS 'as staff read it: first name and surname'",
    """
    COMMENT ON COLUMN members.surname IS
        'without accents and capitals; what members are ordered by'
    """,
    "COMMENT ON COLUMN members.search_text IS 'what members are found by'",
    """
    COMMENT ON COLUMN members.last_level_passed_on IS
        'collection may begin from this day on'
    """,
    """
    COMMENT ON COLUMN members.blocked_until IS
        'last day of a collection block; far off if it is open'
    """,
    """
    COMMENT ON COLUMN members.of_age_on IS
        'day of coming of age; none if the birth date is unknown'
    """,
    "COMMENT ON COLUMN members.has_address IS 'whether letters reach the member'",
    """
    COMMENT ON COLUMN members.guardian_has_address IS
        'whether letters reach its legal guardian'
    """,
    """
    COMMENT ON COLUMN members.currency IS 'none without claims, and where they have several'
    """,
    "COMMENT ON COLUMN members.total IS 'none where there is no one currency'",
    "COMMENT ON COLUMN members.arose_on IS 'earliest voucher date of the claims'",
    """
    CREATE TABLE member_snapshots (
        tenant_id uuid NOT NULL,
        member_id uuid NOT NULL,
        sequence bigint NOT NULL,
        snapshot jsonb NOT NULL,
        superseded_at timestamptz,
        PRIMARY KEY (tenant_id, member_id, sequence)
    )
    """,
    """
    CREATE INDEX member_snapshots_superseded
    ON member_snapshots (superseded_at)
    WHERE superseded_at IS NOT NULL
    """,
    "COMMENT ON TABLE member_snapshots IS 'each version that a preview may still show'",
    "COMMENT ON COLUMN member_snapshots.superseded_at IS 'when a newer one came'",
    """
    CREATE TABLE claims (
        tenant_id uuid NOT NULL,
        claim_id uuid NOT NULL,
        sequence bigint NOT NULL,
        member_id uuid NOT NULL,
        kind text NOT NULL,
        voucher_date date NOT NULL,
        due_date date NOT NULL,
        currency text NOT NULL,
        amount numeric(14, 2) NOT NULL,
        paid_directly numeric(14, 2) NOT NULL,
        cancelled boolean NOT NULL,
        disputed boolean NOT NULL,
        is_handover_fee boolean DEFAULT false NOT NULL,
        PRIMARY KEY (tenant_id, claim_id)
    )
    """,
    "CREATE INDEX claims_member_id ON claims (tenant_id, member_id)",
    """
    COMMENT ON COLUMN claims.is_handover_fee IS
        'made for one handover; not known to the system that owns claims'
    """,
    """
    CREATE TABLE claim_snapshots (
        tenant_id uuid NOT NULL,
        claim_id uuid NOT NULL,
        sequence bigint NOT NULL,
        snapshot jsonb NOT NULL,
        superseded_at timestamptz,
        PRIMARY KEY (tenant_id, claim_id, sequence)
    )
    """,
    """
    CREATE INDEX claim_snapshots_superseded
    ON claim_snapshots (superseded_at)
    WHERE superseded_at IS NOT NULL
    """,
    "COMMENT ON TABLE claim_snapshots IS 'each version that a preview may still show'",
    "COMMENT ON COLUMN claim_snapshots.superseded_at IS 'when a newer one came'",
    """
    CREATE TABLE partners (
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        sequence bigint NOT NULL,
        name text NOT NULL,
        channel text NOT NULL,
        status text NOT NULL,
        PRIMARY KEY (tenant_id, partner_id)
    )
    """,
    """
    CREATE TABLE collected_shares (
        tenant_id uuid NOT NULL,
        claim_id uuid NOT NULL,
        booking_id uuid NOT NULL,
        case_id uuid NOT NULL,
        amount numeric(14, 2) NOT NULL,
        PRIMARY KEY (tenant_id, claim_id, booking_id)
    )
    """,
    "CREATE INDEX collected_shares_case_id ON collected_shares (tenant_id, case_id)",
    "COMMENT ON COLUMN collected_shares.amount IS 'below zero where a payment was reduced'",
    """
    CREATE TABLE collected (
        tenant_id uuid NOT NULL,
        claim_id uuid NOT NULL,
        amount numeric(14, 2) NOT NULL,
        PRIMARY KEY (tenant_id, claim_id)
    )
    """,
    "COMMENT ON COLUMN collected.amount IS 'sum of the claim''s shares'",
    """
    CREATE TABLE tenant_settings (
        tenant_id uuid NOT NULL,
        version integer NOT NULL,
        minimum_amounts jsonb NOT NULL,
        excluded_kinds text[] NOT NULL,
        disputed_claims_hold_member boolean NOT NULL,
        time_zone text,
        changed_at timestamptz NOT NULL,
        changed_by text NOT NULL,
        PRIMARY KEY (tenant_id)
    )
    """,
    "COMMENT ON COLUMN tenant_settings.minimum_amounts IS 'amount by currency'",
    "COMMENT ON COLUMN tenant_settings.excluded_kinds IS 'claims that never go'",
    "COMMENT ON COLUMN tenant_settings.time_zone IS 'IANA name; none means the service''s'",
)

_TABLES: Final = (
    "tenant_settings",
    "collected",
    "collected_shares",
    "partners",
    "claim_snapshots",
    "claims",
    "member_snapshots",
    "members",
    "studios",
)


def upgrade() -> None:
    """Create the tables."""
    plumbing.create_v1()
    for statement in _CREATE:
        op.execute(statement)
    plumbing.expect_new_tenants()


def downgrade() -> None:
    """Drop the tables with all that is in them."""
    for table in _TABLES:
        op.drop_table(table)
    plumbing.drop_v1()
