"""Cases, their claims, payments and the ledger."""

from alembic import op

from kit import plumbing

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE runs (
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        reversal_reason text,
        reversal_requested_by text,
        reversal_requested_at timestamptz,
        reversal_correlation_id text,
        reversal_traceparent text,
        reversal_done_at timestamptz,
        PRIMARY KEY (tenant_id, run_id)
    )
    """,
    """
    CREATE INDEX runs_to_reverse ON runs (reversal_requested_at)
    WHERE reversal_requested_at IS NOT NULL AND reversal_done_at IS NULL
    """,
    """
    CREATE TABLE run_answers (
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        accepted boolean NOT NULL,
        file_number text,
        reason_code text,
        reason_text text,
        answered_at timestamptz NOT NULL,
        correlation_id text NOT NULL,
        traceparent text,
        done_at timestamptz,
        PRIMARY KEY (tenant_id, run_id, partner_id),
        FOREIGN KEY (tenant_id, run_id) REFERENCES runs,
        CHECK (accepted OR reason_code IS NOT NULL)
    )
    """,
    "CREATE INDEX run_answers_to_apply ON run_answers (answered_at) WHERE done_at IS NULL",
    """
    CREATE TABLE members (
        tenant_id uuid NOT NULL,
        member_id uuid NOT NULL,
        studio_id uuid NOT NULL,
        name text NOT NULL,
        membership_number text NOT NULL,
        last_handed_over_on date NOT NULL,
        PRIMARY KEY (tenant_id, member_id)
    )
    """,
    "CREATE INDEX members_newest ON members (tenant_id, last_handed_over_on, member_id)",
    """
    CREATE TABLE cases (
        tenant_id uuid NOT NULL,
        case_id uuid NOT NULL,
        run_id uuid NOT NULL,
        run_booking_number text NOT NULL,
        booking_number integer NOT NULL,
        member_id uuid NOT NULL,
        studio_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        partner_channel text NOT NULL,
        collection_date date NOT NULL,
        currency text NOT NULL,
        status text NOT NULL
            CHECK (status IN ('PENDING', 'OPEN', 'REJECTED', 'CLOSED', 'CANCELLED')),
        handed_over numeric(14, 2) NOT NULL,
        open numeric(14, 2) NOT NULL CHECK (open >= 0),
        unallocated numeric(14, 2) NOT NULL CHECK (unallocated >= 0),
        file_number text,
        reason_code text,
        close_reason text CHECK (close_reason IN ('COMPLETED', 'RUN_REVERSED')),
        result text CHECK (result IN ('PAID', 'PARTLY_PAID', 'UNPAID')),
        created_at timestamptz NOT NULL,
        opened_at timestamptz,
        ended_at timestamptz,
        version integer NOT NULL,
        PRIMARY KEY (tenant_id, case_id),
        FOREIGN KEY (tenant_id, run_id) REFERENCES runs,
        FOREIGN KEY (tenant_id, member_id) REFERENCES members,
        CHECK ((status = 'CLOSED') = (close_reason IS NOT NULL)),
        CHECK ((status = 'CLOSED') = (result IS NOT NULL)),
        CHECK ((status = 'REJECTED') = (reason_code IS NOT NULL)),
        CHECK ((status IN ('PENDING', 'OPEN')) = (ended_at IS NULL)),
        CHECK (status NOT IN ('OPEN', 'CANCELLED') OR opened_at IS NOT NULL)
    )
    """,
    "CREATE INDEX cases_of_run ON cases (tenant_id, run_id, case_id)",
    """
    CREATE INDEX cases_of_run_to_end ON cases (tenant_id, run_id, case_id)
    WHERE status IN ('PENDING', 'OPEN')
    """,
    "CREATE INDEX cases_of_member ON cases (tenant_id, member_id, case_id)",
    "CREATE INDEX cases_of_studio ON cases (tenant_id, studio_id, case_id)",
    "CREATE INDEX cases_of_partner ON cases (tenant_id, partner_id, case_id)",
    """
    CREATE INDEX cases_of_file ON cases (tenant_id, partner_id, file_number, case_id)
    WHERE file_number IS NOT NULL
    """,
    """
    CREATE TABLE case_claims (
        tenant_id uuid NOT NULL,
        case_id uuid NOT NULL,
        claim_id uuid NOT NULL,
        voucher_id uuid NOT NULL,
        snapshot_sequence bigint NOT NULL,
        kind text NOT NULL,
        designation text NOT NULL,
        voucher_date date NOT NULL,
        due_date date NOT NULL,
        amount numeric(14, 2) NOT NULL CHECK (amount >= 0),
        paid_directly numeric(14, 2) NOT NULL CHECK (paid_directly >= 0),
        handed_over numeric(14, 2) NOT NULL CHECK (handed_over >= 0),
        collected numeric(14, 2) NOT NULL CHECK (collected >= 0),
        open numeric(14, 2) NOT NULL CHECK (open >= 0),
        PRIMARY KEY (tenant_id, case_id, claim_id),
        FOREIGN KEY (tenant_id, case_id) REFERENCES cases
    )
    """,
    "CREATE INDEX case_claims_of_claim ON case_claims (tenant_id, claim_id)",
    """
    CREATE TABLE payments (
        tenant_id uuid NOT NULL,
        payment_id uuid NOT NULL,
        case_id uuid NOT NULL,
        amount numeric(14, 2) NOT NULL CHECK (amount >= 0),
        unallocated numeric(14, 2) NOT NULL CHECK (unallocated BETWEEN 0 AND amount),
        own_fees numeric(14, 2) NOT NULL CHECK (own_fees >= 0),
        booked_amount numeric(14, 2) NOT NULL CHECK (booked_amount >= amount),
        booked_own_fees numeric(14, 2) NOT NULL CHECK (booked_own_fees >= 0),
        currency text NOT NULL,
        booking_date date NOT NULL,
        allocation text NOT NULL CHECK (allocation IN ('AUTOMATIC', 'MANUAL')),
        booked_by text NOT NULL CHECK (booked_by IN ('STAFF', 'PARTNER', 'SYSTEM')),
        partner_reference text,
        corrects uuid,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, payment_id),
        FOREIGN KEY (tenant_id, case_id) REFERENCES cases,
        FOREIGN KEY (tenant_id, corrects) REFERENCES payments
    )
    """,
    "CREATE INDEX payments_of_case ON payments (tenant_id, case_id, payment_id)",
    """
    CREATE UNIQUE INDEX payments_once_reported ON payments (tenant_id, case_id, partner_reference)
    WHERE corrects IS NULL
    """,
    """
    CREATE TABLE entries (
        entry_number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        tenant_id uuid NOT NULL,
        case_id uuid NOT NULL,
        claim_id uuid,
        payment_id uuid,
        kind text NOT NULL,
        amount numeric(14, 2) NOT NULL,
        currency text NOT NULL,
        booking_date date NOT NULL,
        recorded_at timestamptz NOT NULL,
        actor_kind text NOT NULL CHECK (actor_kind IN ('STAFF', 'PARTNER', 'SYSTEM')),
        actor text NOT NULL,
        why text,
        correlation_id text NOT NULL,
        FOREIGN KEY (tenant_id, case_id) REFERENCES cases,
        FOREIGN KEY (tenant_id, case_id, claim_id) REFERENCES case_claims,
        FOREIGN KEY (tenant_id, payment_id) REFERENCES payments
    )
    """,
    "CREATE INDEX entries_of_case ON entries (tenant_id, case_id, entry_number)",
    """
    CREATE INDEX entries_of_payment ON entries (tenant_id, payment_id, entry_number)
    WHERE payment_id IS NOT NULL
    """,
    """
    CREATE TABLE history (
        item_number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        tenant_id uuid NOT NULL,
        case_id uuid NOT NULL,
        kind text NOT NULL,
        details jsonb NOT NULL,
        recorded_at timestamptz NOT NULL,
        actor_kind text NOT NULL CHECK (actor_kind IN ('STAFF', 'PARTNER', 'SYSTEM')),
        actor text NOT NULL,
        why text,
        correlation_id text NOT NULL,
        FOREIGN KEY (tenant_id, case_id) REFERENCES cases
    )
    """,
    "CREATE INDEX history_of_case ON history (tenant_id, case_id, item_number)",
)

# What was booked is never overwritten nor removed (R30): not by a mistake in the code either.
_APPEND_ONLY = (
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: % is not allowed', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER history_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
)


def upgrade() -> None:
    """Create everything."""
    plumbing.create_v1()
    for statement in (*_TABLES, *_APPEND_ONLY):
        op.execute(statement)
    plumbing.expect_new_tenants()


def downgrade() -> None:
    """Drop everything; for development only, nothing is kept."""
    op.execute(
        "DROP TABLE history, entries, payments, case_claims, cases, members, run_answers, runs"
    )
    op.execute("DROP FUNCTION refuse_change()")
    plumbing.drop_v1()
