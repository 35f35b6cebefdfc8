"""A ledger of double entries, what receivables and partners say, and what tenants want."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE claims (
        tenant_id uuid NOT NULL,
        claim_id uuid NOT NULL,
        sequence bigint NOT NULL,
        amount numeric(14, 2) NOT NULL CHECK (amount >= 0),
        paid_directly numeric(14, 2) NOT NULL CHECK (paid_directly >= 0),
        cancelled boolean NOT NULL,
        currency text NOT NULL,
        PRIMARY KEY (tenant_id, claim_id)
    )
    """,
    """
    CREATE TABLE partners (
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        sequence bigint NOT NULL,
        name text NOT NULL,
        file_number_pattern text,
        PRIMARY KEY (tenant_id, partner_id)
    )
    """,
    """
    CREATE TABLE notices (
        tenant_id uuid NOT NULL,
        notice_id uuid NOT NULL,
        case_id uuid NOT NULL,
        kind text NOT NULL,
        status text NOT NULL CHECK (status IN ('DUE', 'SENT', 'ACKNOWLEDGED', 'FAILED')),
        due_on date,
        changed_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, notice_id)
    )
    """,
    "CREATE INDEX notices_of_case ON notices (tenant_id, case_id, notice_id)",
    """
    CREATE TABLE tenant_settings (
        tenant_id uuid PRIMARY KEY,
        version integer NOT NULL,
        residual_on_closing text NOT NULL
            CHECK (residual_on_closing IN ('STAYS_OPEN', 'WRITTEN_OFF')),
        allocation_order text NOT NULL
            CHECK (allocation_order IN ('OLDEST_FIRST', 'COSTS_FIRST')),
        changed_at timestamptz NOT NULL,
        changed_by text NOT NULL
    )
    """,
)

# Cases of before have no time zone; nobody asked for one but in Germany.
_COLUMNS = (
    """
    ALTER TABLE cases
        ADD COLUMN time_zone text NOT NULL DEFAULT 'Europe/Berlin',
        ADD COLUMN collected numeric(14, 2) NOT NULL DEFAULT 0,
        ADD COLUMN residual numeric(14, 2),
        ADD COLUMN written_off numeric(14, 2) NOT NULL DEFAULT 0
    """,
    """
    ALTER TABLE case_claims
        ADD COLUMN changed numeric(14, 2) NOT NULL DEFAULT 0,
        ADD COLUMN written_off numeric(14, 2) NOT NULL DEFAULT 0 CHECK (written_off >= 0),
        ADD COLUMN released numeric(14, 2) NOT NULL DEFAULT 0 CHECK (released >= 0)
    """,
    """
    ALTER TABLE payments
        ADD COLUMN paid_out numeric(14, 2) NOT NULL DEFAULT 0 CHECK (paid_out >= 0),
        ADD COLUMN shortfall numeric(14, 2) NOT NULL DEFAULT 0
            CHECK (shortfall BETWEEN 0 AND paid_out)
    """,
    """
    ALTER TABLE entries
        ADD COLUMN posting_id uuid,
        ADD COLUMN account text
            CHECK (account IN ('CLAIM', 'UNALLOCATED', 'COLLECTED', 'RECEIVABLES', 'WRITTEN_OFF',
                               'PAID_OUT', 'SHORTFALL')),
        ADD CHECK ((account = 'CLAIM') = (claim_id IS NOT NULL))
    """,
    """
    ALTER TABLE history
        ADD COLUMN posting_id uuid,
        ADD COLUMN event_ids uuid[] NOT NULL DEFAULT '{}'
    """,
)

# What was booked before becomes double entries: each group of what was entered together gets its
# posting and the entry that balances it. What a case still had open when it ended is released; what
# a payment that shrank afterwards opened again stays open, unless it went into a later case.
_FILL = (
    "ALTER TABLE entries DISABLE TRIGGER entries_append_only",
    """
    CREATE TEMPORARY TABLE posted ON COMMIT DROP AS
    SELECT *, uuidv7() AS posting_id FROM (
        SELECT tenant_id, case_id, kind, payment_id, recorded_at,
               sum(CASE WHEN claim_id IS NULL THEN -amount ELSE amount END) AS total
        FROM entries GROUP BY tenant_id, case_id, kind, payment_id, recorded_at
        ORDER BY min(entry_number)
    ) AS together
    """,
    """
    UPDATE entries SET posting_id = posted.posting_id,
        account = CASE WHEN entries.claim_id IS NULL THEN 'UNALLOCATED' ELSE 'CLAIM' END,
        amount = CASE WHEN entries.claim_id IS NULL THEN -entries.amount ELSE entries.amount END
    FROM posted
    WHERE (entries.tenant_id, entries.case_id, entries.kind, entries.recorded_at)
        = (posted.tenant_id, posted.case_id, posted.kind, posted.recorded_at)
      AND entries.payment_id IS NOT DISTINCT FROM posted.payment_id
    """,
    """
    INSERT INTO entries (tenant_id, posting_id, case_id, account, payment_id, kind, amount,
                         currency, booking_date, recorded_at, actor_kind, actor, why,
                         correlation_id)
    SELECT DISTINCT ON (posted.posting_id)
           posted.tenant_id, posted.posting_id, posted.case_id,
           CASE WHEN posted.payment_id IS NULL THEN 'RECEIVABLES' ELSE 'COLLECTED' END,
           posted.payment_id, posted.kind, -posted.total, first.currency, first.booking_date,
           first.recorded_at, first.actor_kind, first.actor, first.why, first.correlation_id
    FROM posted JOIN entries AS first USING (tenant_id, posting_id)
    ORDER BY posted.posting_id, first.entry_number
    """,
    """
    CREATE TEMPORARY TABLE ended ON COMMIT DROP AS
    SELECT tenant_id, case_id, uuidv7() AS posting_id FROM cases
    WHERE status IN ('REJECTED', 'CLOSED', 'CANCELLED')
    """,
    """
    CREATE TEMPORARY TABLE let_go ON COMMIT DROP AS
    SELECT ended.*, claim.claim_id, claim.open - coalesce(sum(entry.amount), 0) AS amount
    FROM ended JOIN cases USING (tenant_id, case_id)
    JOIN case_claims AS claim USING (tenant_id, case_id)
    LEFT JOIN entries AS entry
      ON (entry.tenant_id, entry.case_id, entry.claim_id)
       = (claim.tenant_id, claim.case_id, claim.claim_id)
     AND entry.kind = 'PAYMENT_REDUCTION' AND entry.recorded_at > cases.ended_at
     AND NOT EXISTS (
         SELECT FROM case_claims AS other JOIN cases AS later USING (tenant_id, case_id)
         WHERE (other.tenant_id, other.claim_id) = (claim.tenant_id, claim.claim_id)
           AND later.created_at > entry.recorded_at
     )
    GROUP BY ended.tenant_id, ended.case_id, ended.posting_id, claim.claim_id, claim.open
    """,
    """
    INSERT INTO entries (tenant_id, posting_id, case_id, account, claim_id, kind, amount,
                         currency, booking_date, recorded_at, actor_kind, actor, correlation_id)
    SELECT tenant_id, let_go.posting_id, case_id,
           CASE WHEN let_go.claim_id IS NULL THEN 'RECEIVABLES' ELSE 'CLAIM' END, let_go.claim_id,
           'RELEASED', CASE WHEN let_go.claim_id IS NULL THEN sum(let_go.amount)
           ELSE -sum(let_go.amount) END, cases.currency,
           CAST(cases.ended_at AT TIME ZONE cases.time_zone AS date),
           now(), 'SYSTEM', 'case-service', 'migration'
    FROM let_go JOIN cases USING (tenant_id, case_id)
    WHERE let_go.amount > 0
    GROUP BY tenant_id, case_id, let_go.posting_id, cases.currency, cases.ended_at,
             cases.time_zone, GROUPING SETS ((let_go.claim_id), ())
    """,
    """
    UPDATE case_claims SET released = let_go.amount, open = case_claims.open - let_go.amount
    FROM let_go WHERE (case_claims.tenant_id, case_claims.case_id, case_claims.claim_id)
                    = (let_go.tenant_id, let_go.case_id, let_go.claim_id)
    """,
    """
    UPDATE cases SET residual = let_go.amount, open = cases.open - let_go.amount
    FROM (
        SELECT tenant_id, case_id, sum(amount) AS amount FROM let_go GROUP BY tenant_id, case_id
    ) AS let_go
    WHERE (cases.tenant_id, cases.case_id) = (let_go.tenant_id, let_go.case_id)
    """,
    """
    UPDATE cases SET collected = (
        SELECT coalesce(sum(claim.collected), 0) FROM case_claims AS claim
        WHERE (claim.tenant_id, claim.case_id) = (cases.tenant_id, cases.case_id)
    )
    """,
    """
    INSERT INTO claims (tenant_id, claim_id, sequence, amount, paid_directly, cancelled, currency)
    SELECT DISTINCT ON (claim.tenant_id, claim.claim_id) claim.tenant_id, claim.claim_id,
           claim.snapshot_sequence, claim.amount, claim.paid_directly, false, cases.currency
    FROM case_claims AS claim JOIN cases USING (tenant_id, case_id)
    ORDER BY claim.tenant_id, claim.claim_id, claim.snapshot_sequence DESC
    """,
    "ALTER TABLE entries ENABLE TRIGGER entries_append_only",
)

_RULES = (
    """
    ALTER TABLE entries
        ALTER COLUMN posting_id SET NOT NULL,
        ALTER COLUMN account SET NOT NULL
    """,
    """
    ALTER TABLE case_claims ADD CONSTRAINT case_claims_balance
        CHECK (open = handed_over + changed - collected - written_off - released)
    """,
    """
    ALTER TABLE cases ADD CONSTRAINT cases_residual
        CHECK ((status IN ('PENDING', 'OPEN')) = (residual IS NULL))
    """,
    "CREATE INDEX entries_of_posting ON entries (tenant_id, posting_id)",
    """
    CREATE INDEX entries_of_claim ON entries (tenant_id, claim_id, payment_id)
    WHERE claim_id IS NOT NULL AND payment_id IS NOT NULL
    """,
    """
    CREATE INDEX payments_unallocated ON payments (tenant_id, payment_id) WHERE unallocated > 0
    """,
    """
    CREATE INDEX cases_open_again ON cases (tenant_id, case_id)
    WHERE ended_at IS NOT NULL AND open > 0
    """,
    # One look at each statement's rows, not one for each row: a posting is written as a whole.
    """
    CREATE FUNCTION refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM added GROUP BY tenant_id, posting_id, currency HAVING sum(amount) <> 0
        ) THEN
            RAISE EXCEPTION 'entries of a posting do not add up to 0.00'
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER entries_balance AFTER INSERT ON entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_unbalanced()
    """,
)


def upgrade() -> None:
    """Create, fill, then hold to the rules."""
    for statement in (*_TABLES, *_COLUMNS, *_FILL, *_RULES):
        op.execute(statement)


def downgrade() -> None:
    """There is no way back: a ledger is not taken apart."""
    raise NotImplementedError
