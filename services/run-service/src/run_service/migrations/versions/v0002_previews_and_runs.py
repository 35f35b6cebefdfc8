"""Previews and runs."""

from typing import Final

from alembic import op

from kit import plumbing

revision: Final = "0002"
down_revision: Final = "0001"

_CREATE: Final = (
    """
    CREATE TABLE previews (
        tenant_id uuid NOT NULL,
        preview_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        studio_ids uuid[],
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        expires_at timestamptz NOT NULL,
        run_id uuid,
        discarded boolean DEFAULT false NOT NULL,
        PRIMARY KEY (tenant_id, preview_id)
    )
    """,
    "CREATE INDEX previews_kept ON previews (expires_at) WHERE NOT discarded",
    "COMMENT ON COLUMN previews.studio_ids IS 'the studios asked for; none means all'",
    "COMMENT ON COLUMN previews.run_id IS 'the run that was made of it'",
    """
    CREATE TABLE preview_studios (
        tenant_id uuid NOT NULL,
        preview_id uuid NOT NULL,
        studio_id uuid NOT NULL,
        name text NOT NULL,
        snapshot jsonb NOT NULL,
        PRIMARY KEY (tenant_id, preview_id, studio_id)
    )
    """,
    """
    CREATE TABLE preview_members (
        tenant_id uuid NOT NULL,
        preview_id uuid NOT NULL,
        member_id uuid NOT NULL,
        sequence bigint NOT NULL,
        studio_id uuid NOT NULL,
        place integer NOT NULL,
        name text NOT NULL,
        surname text NOT NULL,
        membership_number text NOT NULL,
        search_text text NOT NULL,
        claim_ids uuid[] NOT NULL,
        claim_sequences bigint[] NOT NULL,
        claim_amounts numeric(14, 2)[] NOT NULL,
        currency text,
        total numeric(20, 2),
        minor boolean NOT NULL,
        came_of_age_on date,
        left_out boolean NOT NULL,
        left_out_reason text,
        decided_by text,
        decided_as text[],
        decision_reason text,
        PRIMARY KEY (tenant_id, preview_id, member_id),
        CONSTRAINT left_out_has_reason CHECK (left_out = (left_out_reason IS NOT NULL))
    )
    """,
    """
    CREATE UNIQUE INDEX preview_members_place
    ON preview_members (tenant_id, preview_id, place)
    """,
    "COMMENT ON COLUMN preview_members.sequence IS 'version of the member''s snapshot'",
    "COMMENT ON COLUMN preview_members.place IS 'from 1 on, by studio and name'",
    "COMMENT ON COLUMN preview_members.claim_amounts IS 'what is to be collected'",
    "COMMENT ON COLUMN preview_members.currency IS 'none where the claims have several'",
    "COMMENT ON COLUMN preview_members.minor IS 'a minor without a legal guardian'",
    """
    COMMENT ON COLUMN preview_members.came_of_age_on IS
        'if that was after the oldest claim arose'
    """,
    "COMMENT ON COLUMN preview_members.decided_by IS 'who left the member out or took it in'",
    "COMMENT ON COLUMN preview_members.decided_as IS 'the roles of who did'",
    """
    CREATE TABLE booking_numbers (
        tenant_id uuid NOT NULL,
        year integer NOT NULL,
        last integer NOT NULL,
        PRIMARY KEY (tenant_id, year)
    )
    """,
    """
    CREATE TABLE runs (
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        booking_number text NOT NULL,
        preview_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        partner_channel text NOT NULL,
        trigger text NOT NULL,
        status text NOT NULL,
        collection_date date NOT NULL,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        correlation_id text NOT NULL,
        traceparent text,
        member_count integer NOT NULL,
        published integer NOT NULL,
        last_place integer NOT NULL,
        published_at timestamptz,
        last_answer_at timestamptz,
        next_try_at timestamptz,
        next_settling_at timestamptz,
        handed_over_at timestamptz,
        rejected_at timestamptz,
        reversal_requested_at timestamptz,
        reversal_requested_by text,
        reversal_reason text,
        reversal_correlation_id text,
        reversal_traceparent text,
        reversed_at timestamptz,
        PRIMARY KEY (tenant_id, run_id),
        CONSTRAINT status_known
            CHECK (status IN ('IN_PROGRESS', 'HANDED_OVER', 'REJECTED', 'CANCELLED')),
        CONSTRAINT published_in_bounds CHECK (published BETWEEN 0 AND member_count)
    )
    """,
    "CREATE UNIQUE INDEX runs_booking_number ON runs (tenant_id, booking_number)",
    "CREATE INDEX runs_collection_date ON runs (tenant_id, collection_date)",
    "CREATE INDEX runs_to_publish ON runs (tenant_id) WHERE published < member_count",
    "COMMENT ON COLUMN runs.published IS 'last booking number handed over'",
    "COMMENT ON COLUMN runs.last_place IS 'its place in the preview'",
    "COMMENT ON COLUMN runs.published_at IS 'when the last member was'",
    "COMMENT ON COLUMN runs.next_try_at IS 'not before; set after a failure'",
    "COMMENT ON COLUMN runs.next_settling_at IS 'not before, in the same way'",
    """
    CREATE TABLE run_studios (
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        studio_id uuid NOT NULL,
        transfer_id uuid NOT NULL,
        name text NOT NULL,
        first_booking_number integer NOT NULL,
        member_count integer NOT NULL,
        claim_count integer NOT NULL,
        accepted integer DEFAULT 0 NOT NULL,
        rejected integer DEFAULT 0 NOT NULL,
        unanswered integer DEFAULT 0 NOT NULL,
        ended integer DEFAULT 0 NOT NULL,
        reversed integer DEFAULT 0 NOT NULL,
        PRIMARY KEY (tenant_id, run_id, studio_id),
        FOREIGN KEY(tenant_id, run_id) REFERENCES runs (tenant_id, run_id)
    )
    """,
    """
    COMMENT ON TABLE run_studios IS
        'a studio''s part of a run; booking numbers of a studio''s members follow each other'
    """,
    """
    CREATE TABLE run_studio_totals (
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        studio_id uuid NOT NULL,
        currency text NOT NULL,
        amount numeric(20, 2) NOT NULL,
        PRIMARY KEY (tenant_id, run_id, studio_id, currency)
    )
    """,
    """
    CREATE TABLE run_members (
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        member_id uuid NOT NULL,
        case_id uuid NOT NULL,
        booking_number integer NOT NULL,
        studio_id uuid NOT NULL,
        name text NOT NULL,
        membership_number text NOT NULL,
        search_text text NOT NULL,
        currency text NOT NULL,
        total numeric(20, 2) NOT NULL,
        case_status text NOT NULL,
        accepted boolean DEFAULT false NOT NULL,
        reason_code text,
        taken_in_by text,
        taken_in_as text[],
        taken_in_reason text,
        PRIMARY KEY (tenant_id, run_id, member_id),
        CONSTRAINT case_status_known
            CHECK (case_status IN ('PENDING', 'OPEN', 'REJECTED', 'CLOSED', 'CANCELLED'))
    )
    """,
    """
    CREATE UNIQUE INDEX run_members_booking_number
    ON run_members (tenant_id, run_id, booking_number)
    """,
    "CREATE UNIQUE INDEX run_members_case_id ON run_members (tenant_id, case_id)",
    "COMMENT ON TABLE run_members IS 'a member of a run, from the moment it was handed over'",
    """
    COMMENT ON COLUMN run_members.accepted IS
        'whether the partner took the member, whatever became of it'
    """,
    "COMMENT ON COLUMN run_members.reason_code IS 'why the partner refused the member'",
    """
    COMMENT ON COLUMN run_members.taken_in_by IS
        'who took in a minor without a legal guardian'
    """,
    "COMMENT ON COLUMN run_members.taken_in_as IS 'the roles of who did'",
    """
    CREATE TABLE reservations (
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        member_id uuid NOT NULL,
        claim_id uuid NOT NULL,
        voucher_id uuid NOT NULL,
        to_collect numeric(14, 2) NOT NULL,
        released_at timestamptz,
        PRIMARY KEY (tenant_id, run_id, member_id, claim_id)
    )
    """,
    """
    CREATE UNIQUE INDEX reservations_one_at_a_time
    ON reservations (claim_id, tenant_id)
    WHERE released_at IS NULL
    """,
    "COMMENT ON COLUMN reservations.voucher_id IS 'id of the claim within the run'",
    """
    CREATE TABLE run_tallies (
        tally_id bigint GENERATED ALWAYS AS IDENTITY,
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        studio_id uuid NOT NULL,
        accepted integer NOT NULL,
        rejected integer NOT NULL,
        unanswered integer NOT NULL,
        ended integer NOT NULL,
        reversed integer NOT NULL,
        PRIMARY KEY (tally_id)
    )
    """,
    "CREATE INDEX run_tallies_run_id ON run_tallies (tenant_id, run_id)",
    """
    COMMENT ON TABLE run_tallies IS
        'counts that wait to be added to run_studios: batches never wait for each other'
    """,
)

_TABLES: Final = (
    "run_tallies",
    "reservations",
    "run_members",
    "run_studio_totals",
    "run_studios",
    "runs",
    "booking_numbers",
    "preview_members",
    "preview_studios",
    "previews",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in _CREATE:
        op.execute(statement)
    plumbing.expect_new_tenants()


def downgrade() -> None:
    """Drop the tables with all that is in them."""
    for table in _TABLES:
        op.drop_table(table)
