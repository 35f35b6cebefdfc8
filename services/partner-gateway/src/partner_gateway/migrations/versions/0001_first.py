"""Partners and their secrets, cases at partners, deliveries, notices, callbacks.

Revision ID: 0001
"""

from alembic import op

from kit.plumbing import create_v1, drop_v1, expect_new_tenants

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Every reference holds the tenant, too: no row can point at a row of another tenant.
_CREATE = (
    """
    CREATE TABLE partners (
        partner_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        sequence bigint NOT NULL,
        name text NOT NULL,
        channel text NOT NULL CHECK (channel IN ('BY_HAND', 'API')),
        status text NOT NULL CHECK (status IN ('ACTIVE', 'PAUSED')),
        base_url text,
        sealed_api_token bytea,
        file_number_pattern text,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        changed_at timestamptz NOT NULL,
        changed_by text NOT NULL,
        UNIQUE (tenant_id, partner_id),
        CHECK ((channel = 'API') = (base_url IS NOT NULL)),
        CHECK (channel = 'API' OR sealed_api_token IS NULL)
    )
    """,
    """
    CREATE TABLE secrets (
        secret_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        sealed_secret bytea NOT NULL,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        FOREIGN KEY (tenant_id, partner_id) REFERENCES partners (tenant_id, partner_id)
    )
    """,
    "COMMENT ON TABLE secrets IS 'what a partner and we sign with; all of them are valid'",
    "CREATE INDEX secrets_partner ON secrets (tenant_id, partner_id)",
    """
    CREATE TABLE deliveries (
        request_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        kind text NOT NULL CHECK (kind IN ('HANDOVER', 'NOTICE')),
        status text NOT NULL CHECK (status IN ('OPEN', 'DONE', 'STOPPED')),
        after_request_id uuid,
        tries integer NOT NULL,
        next_try_at timestamptz NOT NULL,
        last_error text,
        created_at timestamptz NOT NULL,
        last_tried_at timestamptz,
        finished_at timestamptz,
        correlation_id text NOT NULL,
        traceparent text,
        UNIQUE (tenant_id, request_id),
        FOREIGN KEY (tenant_id, partner_id) REFERENCES partners (tenant_id, partner_id),
        FOREIGN KEY (tenant_id, after_request_id) REFERENCES deliveries (tenant_id, request_id),
        CHECK ((status = 'OPEN') = (finished_at IS NULL))
    )
    """,
    """
    COMMENT ON TABLE deliveries IS
    'requests to partners, each stored before its first try and sent under its id until answered'
    """,
    """
    CREATE INDEX deliveries_open ON deliveries (tenant_id, partner_id, next_try_at)
    WHERE status = 'OPEN'
    """,
    "CREATE INDEX deliveries_partner ON deliveries (tenant_id, partner_id, request_id)",
    "CREATE INDEX deliveries_after ON deliveries (tenant_id, after_request_id)",
    """
    CREATE TABLE cases (
        tenant_id uuid NOT NULL,
        case_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        run_id uuid NOT NULL,
        member_id uuid NOT NULL,
        run_booking_number text,
        collection_date date,
        booking_number integer,
        item bytea,
        request_id uuid,
        ended_at timestamptz,
        correlation_id text NOT NULL,
        traceparent text,
        PRIMARY KEY (tenant_id, case_id),
        FOREIGN KEY (tenant_id, partner_id) REFERENCES partners (tenant_id, partner_id),
        FOREIGN KEY (tenant_id, request_id) REFERENCES deliveries (tenant_id, request_id)
    )
    """,
    """
    COMMENT ON TABLE cases IS
    'cases for partners with an API: item is what is handed over, kept only until it was answered'
    """,
    """
    CREATE INDEX cases_waiting ON cases (tenant_id, partner_id, run_id, booking_number)
    WHERE request_id IS NULL AND ended_at IS NULL
    """,
    "CREATE INDEX cases_request ON cases (tenant_id, request_id, booking_number)",
    "CREATE INDEX cases_run ON cases (tenant_id, run_id) WHERE request_id IS NOT NULL",
    """
    CREATE TABLE notices (
        notice_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        case_id uuid NOT NULL,
        run_id uuid NOT NULL,
        member_id uuid NOT NULL,
        studio_id uuid NOT NULL,
        kind text NOT NULL CHECK (kind IN ('STOP', 'STUDIO_PAYMENT', 'CLAIM_CHANGED')),
        status text NOT NULL CHECK (status IN ('DUE', 'SENT', 'ACKNOWLEDGED', 'FAILED')),
        due_on date NOT NULL,
        request_id uuid,
        created_at timestamptz NOT NULL,
        acknowledged_at timestamptz,
        acknowledged_by text CHECK (acknowledged_by IN ('PARTNER', 'STAFF')),
        done_by text,
        comment text,
        correlation_id text NOT NULL,
        traceparent text,
        FOREIGN KEY (tenant_id, partner_id) REFERENCES partners (tenant_id, partner_id),
        FOREIGN KEY (tenant_id, request_id) REFERENCES deliveries (tenant_id, request_id),
        CHECK ((status = 'ACKNOWLEDGED') = (acknowledged_at IS NOT NULL)),
        CHECK ((status = 'ACKNOWLEDGED') = (acknowledged_by IS NOT NULL))
    )
    """,
    "COMMENT ON TABLE notices IS 'what partners must be told; request_id only with an API'",
    "CREATE UNIQUE INDEX notices_stop ON notices (tenant_id, case_id) WHERE kind = 'STOP'",
    "CREATE UNIQUE INDEX notices_request ON notices (tenant_id, request_id)",
    "CREATE INDEX notices_partner ON notices (tenant_id, partner_id, notice_id)",
    "CREATE INDEX notices_status ON notices (tenant_id, status, notice_id)",
    """
    CREATE TABLE callbacks (
        callback_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        webhook_id text NOT NULL,
        webhook_timestamp text NOT NULL,
        webhook_signature text NOT NULL,
        body bytea NOT NULL,
        received_at timestamptz NOT NULL,
        status text NOT NULL CHECK (status IN ('RECEIVED', 'WAITING', 'TRANSLATED', 'PARKED')),
        waits_for uuid,
        reason text,
        handled_at timestamptz,
        correlation_id text NOT NULL,
        traceparent text,
        UNIQUE (tenant_id, partner_id, webhook_id),
        FOREIGN KEY (tenant_id, partner_id) REFERENCES partners (tenant_id, partner_id),
        CHECK ((status = 'WAITING') = (waits_for IS NOT NULL)),
        CHECK ((status = 'PARKED') = (reason IS NOT NULL))
    )
    """,
    """
    COMMENT ON TABLE callbacks IS
    'what partners said, byte for byte; PARKED holds what cannot be translated, with the reason'
    """,
    """
    CREATE INDEX callbacks_received ON callbacks (tenant_id, partner_id, callback_id)
    WHERE status = 'RECEIVED'
    """,
    "CREATE INDEX callbacks_waiting ON callbacks (tenant_id, waits_for) WHERE status = 'WAITING'",
)


def upgrade() -> None:
    """Make the tables."""
    create_v1()
    for statement in _CREATE:
        op.execute(statement)
    expect_new_tenants()


def downgrade() -> None:
    """Drop the tables with all that is in them."""
    op.execute("DROP TABLE callbacks, notices, cases, deliveries, secrets, partners")
    drop_v1()
