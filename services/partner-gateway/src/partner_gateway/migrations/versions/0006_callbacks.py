"""Callbacks with their headers, what partners were told of them, and what staff decided.

Revision ID: 0006
"""

from alembic import op

from kit.plumbing import expect_new_tenants

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# What the release before writes stays: webhook_timestamp and webhook_signature, now among the
# headers. callbacks_check1 is the name that PostgreSQL gave to the check of `reason`.
_CREATE: tuple[str, ...] = (
    """
    ALTER TABLE callbacks
    ALTER COLUMN webhook_timestamp DROP NOT NULL,
    ALTER COLUMN webhook_signature DROP NOT NULL,
    ALTER COLUMN body DROP NOT NULL,
    ADD COLUMN headers jsonb,
    ADD COLUMN body_sha256 bytea,
    ADD COLUMN told text,
    DROP CONSTRAINT callbacks_status_check,
    DROP CONSTRAINT callbacks_check1,
    ADD CONSTRAINT callbacks_status_check CHECK (
        status IN ('RECEIVED', 'WAITING', 'TRANSLATED', 'PARKED', 'CONFLICT', 'DISMISSED')
    ),
    ADD CONSTRAINT callbacks_reason CHECK (
        status NOT IN ('PARKED', 'CONFLICT') OR reason IS NOT NULL
    ),
    ADD CONSTRAINT callbacks_body CHECK (body IS NOT NULL OR body_sha256 IS NOT NULL),
    ADD CONSTRAINT callbacks_partner UNIQUE (tenant_id, partner_id, callback_id)
    """,
    """
    COMMENT ON TABLE callbacks IS
    'what partners said, byte for byte; PARKED and CONFLICT wait for staff, with the reason'
    """,
    """
    COMMENT ON COLUMN callbacks.webhook_id IS
    'as the partner sent it; of a CONFLICT followed by a blank and the SHA-256 of its body'
    """,
    """
    COMMENT ON COLUMN callbacks.body_sha256 IS
    'in place of the body once that is forgotten: the same callback again is still known'
    """,
    "COMMENT ON COLUMN callbacks.told IS 'why the partner was told it is parked; null: it was not'",
    "DROP INDEX callbacks_received",
    "CREATE INDEX callbacks_status ON callbacks (status, tenant_id, partner_id, callback_id)",
    "CREATE INDEX callbacks_kept ON callbacks (received_at) WHERE body IS NOT NULL",
    """
    CREATE TABLE callback_decisions (
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        callback_id uuid NOT NULL,
        decision text NOT NULL CHECK (decision IN ('RETRIED', 'DISMISSED')),
        decided_at timestamptz NOT NULL,
        decided_by text NOT NULL,
        comment text,
        PRIMARY KEY (callback_id, decided_at),
        FOREIGN KEY (tenant_id, partner_id, callback_id)
            REFERENCES callbacks (tenant_id, partner_id, callback_id),
        CHECK (decision = 'RETRIED' OR comment IS NOT NULL)
    )
    """,
    "COMMENT ON TABLE callback_decisions IS 'what staff did with callbacks that waited for them'",
)


def upgrade() -> None:
    """Change the tables; the release before goes on with them."""
    for statement in _CREATE:
        op.execute(statement)
    expect_new_tenants()


def downgrade() -> None:
    """Take the changes back; refused conflicts are lost, and what staff dismissed is parked."""
    op.execute("DROP TABLE callback_decisions")
    op.execute("DELETE FROM callbacks WHERE strpos(webhook_id, ' ') > 0")
    op.execute(
        """
        UPDATE callbacks
        SET status = CASE WHEN status = 'DISMISSED' THEN 'PARKED' ELSE status END,
            reason = CASE WHEN status IN ('DISMISSED', 'PARKED') THEN reason END,
            webhook_timestamp = coalesce(webhook_timestamp, headers ->> 'webhook-timestamp', ''),
            webhook_signature = coalesce(webhook_signature, headers ->> 'webhook-signature', ''),
            body = coalesce(body, '')
        """
    )
    op.execute("DROP INDEX callbacks_kept, callbacks_status")
    op.execute(
        """
        ALTER TABLE callbacks
        DROP CONSTRAINT callbacks_body,
        DROP CONSTRAINT callbacks_reason,
        DROP CONSTRAINT callbacks_status_check,
        DROP CONSTRAINT callbacks_partner,
        DROP COLUMN headers,
        DROP COLUMN body_sha256,
        DROP COLUMN told,
        ALTER COLUMN webhook_timestamp SET NOT NULL,
        ALTER COLUMN webhook_signature SET NOT NULL,
        ALTER COLUMN body SET NOT NULL,
        ADD CONSTRAINT callbacks_status_check
            CHECK (status IN ('RECEIVED', 'WAITING', 'TRANSLATED', 'PARKED')),
        ADD CONSTRAINT callbacks_check1 CHECK ((status = 'PARKED') = (reason IS NOT NULL))
        """
    )
    op.execute(
        "CREATE INDEX callbacks_received ON callbacks (tenant_id, partner_id, callback_id) "
        "WHERE status = 'RECEIVED'"
    )
