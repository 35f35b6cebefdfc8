"""Circuits: partners that do not answer are left alone for a while. And every single try.

Revision ID: 0005
"""

from alembic import op

from kit.plumbing import expect_new_tenants

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CREATE: tuple[str, ...] = (
    """
    CREATE TABLE circuits (
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        failures integer NOT NULL DEFAULT 0,
        opened_at timestamptz,
        next_probe_at timestamptz,
        probing_until timestamptz,
        PRIMARY KEY (tenant_id, partner_id),
        FOREIGN KEY (tenant_id, partner_id) REFERENCES partners (tenant_id, partner_id),
        CHECK ((opened_at IS NULL) = (next_probe_at IS NULL)),
        CHECK (opened_at IS NOT NULL OR probing_until IS NULL)
    )
    """,
    """
    COMMENT ON TABLE circuits IS
    'how partners answer; while a circuit is open, its partner gets one request at a time'
    """,
    "COMMENT ON COLUMN circuits.failures IS 'tries since the last answer; while open, of probes'",
    "COMMENT ON COLUMN circuits.probing_until IS 'a probe is under way; later it counts as lost'",
    "CREATE INDEX circuits_open ON circuits (opened_at) WHERE opened_at IS NOT NULL",
    """
    ALTER TABLE deliveries
    ADD COLUMN under_way_until timestamptz,
    ADD COLUMN asked_until timestamptz,
    ADD COLUMN retried_at timestamptz,
    ADD COLUMN retried_by text
    """,
    "COMMENT ON COLUMN deliveries.under_way_until IS 'a try is under way; later it is unknown'",
    "COMMENT ON COLUMN deliveries.asked_until IS 'the partner asked for no try before'",
    "COMMENT ON COLUMN deliveries.retried_by IS 'who of staff wanted another try'",
    """
    CREATE INDEX deliveries_under_way ON deliveries (tenant_id, partner_id, under_way_until)
    WHERE under_way_until IS NOT NULL
    """,
    """
    CREATE TABLE tries (
        tenant_id uuid NOT NULL,
        request_id uuid NOT NULL,
        number integer NOT NULL,
        tried_at timestamptz NOT NULL,
        status integer,
        error text,
        duration_ms integer,
        PRIMARY KEY (tenant_id, request_id, number),
        FOREIGN KEY (tenant_id, request_id) REFERENCES deliveries (tenant_id, request_id)
    )
    """,
    """
    COMMENT ON TABLE tries IS
    'the last tries of each delivery; without a duration: under way, or its process died'
    """,
    "CREATE INDEX deliveries_status ON deliveries (tenant_id, partner_id, status, request_id)",
    """
    CREATE INDEX deliveries_failing ON deliveries (tenant_id, partner_id, request_id)
    WHERE last_error IS NOT NULL
    """,
    "CREATE INDEX deliveries_oldest ON deliveries (created_at) WHERE status = 'OPEN'",
)


def upgrade() -> None:
    """Change the tables; the release before goes on with them."""
    for statement in _CREATE:
        op.execute(statement)
    expect_new_tenants()


def downgrade() -> None:
    """Take the changes back; what is known of single tries is lost."""
    op.execute(
        "DROP INDEX deliveries_oldest, deliveries_failing, deliveries_status, deliveries_under_way"
    )
    op.execute(
        "ALTER TABLE deliveries DROP COLUMN under_way_until, DROP COLUMN asked_until, "
        "DROP COLUMN retried_at, DROP COLUMN retried_by"
    )
    op.execute("DROP TABLE tries, circuits")
