"""What partners said was paid so far, and the payments that follow from it.

Revision ID: 0007
"""

from alembic import op

from kit.plumbing import expect_new_tenants

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_CREATE: tuple[str, ...] = (
    """
    CREATE TABLE polls (
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        cursor text,
        asks bigint NOT NULL DEFAULT 0,
        failures integer NOT NULL DEFAULT 0,
        next_ask_at timestamptz NOT NULL,
        last_asked_at timestamptz,
        last_answered_at timestamptz,
        last_error text,
        PRIMARY KEY (tenant_id, partner_id),
        FOREIGN KEY (tenant_id, partner_id) REFERENCES partners (tenant_id, partner_id),
        CHECK ((failures = 0) = (last_error IS NULL))
    )
    """,
    "COMMENT ON TABLE polls IS 'how far partners were asked that do not call back'",
    "COMMENT ON COLUMN polls.cursor IS 'what comes behind it is new; null: all is'",
    "COMMENT ON COLUMN polls.asks IS 'an answer counts only until the partner is asked again'",
    "COMMENT ON COLUMN polls.failures IS 'tries since it answered last'",
    "CREATE INDEX polls_next_ask_at ON polls (next_ask_at)",
    """
    CREATE TABLE balances (
        tenant_id uuid NOT NULL,
        case_id uuid NOT NULL,
        number bigint NOT NULL,
        as_of date NOT NULL,
        currency text NOT NULL,
        status text NOT NULL CHECK (status IN ('OPEN', 'DECLINED', 'CLOSED')),
        file_number text,
        PRIMARY KEY (tenant_id, case_id),
        FOREIGN KEY (tenant_id, case_id) REFERENCES cases (tenant_id, case_id)
    )
    """,
    """
    COMMENT ON TABLE balances IS
    'the newest of the balances that a partner told of a case; its sums are those of its payments'
    """,
    """
    CREATE TABLE balance_payments (
        tenant_id uuid NOT NULL,
        case_id uuid NOT NULL,
        number bigint NOT NULL,
        amount numeric(14, 2) NOT NULL CHECK (amount >= 0),
        own_fees numeric(14, 2) NOT NULL CHECK (own_fees >= 0),
        PRIMARY KEY (tenant_id, case_id, number),
        FOREIGN KEY (tenant_id, case_id) REFERENCES balances (tenant_id, case_id)
    )
    """,
    "COMMENT ON TABLE balance_payments IS 'payments reported because a balance had risen'",
    "COMMENT ON COLUMN balance_payments.number IS 'that of the balance; higher ones are newer'",
    "COMMENT ON COLUMN balance_payments.amount IS 'for the creditor, without own fees'",
)


def upgrade() -> None:
    """Make the tables; the release before goes on without them."""
    for statement in _CREATE:
        op.execute(statement)
    expect_new_tenants()


def downgrade() -> None:
    """Drop the tables with all that is in them."""
    op.execute("DROP TABLE balance_payments, balances, polls")
