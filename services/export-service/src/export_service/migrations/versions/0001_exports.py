"""Runs, the rows of their exports, and exports.

Revision ID: 0001
Revises:
"""

from alembic import op

from kit import plumbing

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_CREATE = (
    """
    CREATE TABLE runs (
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        booking_number text NOT NULL,
        partner_id uuid NOT NULL,
        trigger text NOT NULL,
        collection_date date NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, run_id)
    )
    """,
    "COMMENT ON TABLE runs IS 'runs that were announced'",
    """
    CREATE TABLE run_studios (
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        studio_id uuid NOT NULL,
        member_count integer NOT NULL,
        claim_count integer NOT NULL,
        totals jsonb NOT NULL,
        PRIMARY KEY (tenant_id, run_id, studio_id)
    )
    """,
    """
    COMMENT ON TABLE run_studios IS
    'what was announced of each studio of a run; totals are amounts by currency'
    """,
    """
    CREATE TABLE handovers (
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        booking_number integer NOT NULL,
        studio_id uuid NOT NULL,
        studio_name text NOT NULL,
        claim_count integer NOT NULL,
        PRIMARY KEY (tenant_id, run_id, booking_number)
    )
    """,
    """
    COMMENT ON TABLE handovers IS
    'members that have arrived; narrow, so that counting a run''s members is quick'
    """,
    """
    CREATE TABLE handover_rows (
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        booking_number integer NOT NULL,
        claim_index integer NOT NULL,
        studio_id uuid NOT NULL,
        cells json NOT NULL,
        PRIMARY KEY (tenant_id, run_id, booking_number, claim_index)
    )
    """,
    """
    COMMENT ON TABLE handover_rows IS
    'the rows of exports, read in the order of the key; cells are texts, one a column'
    """,
    """
    CREATE TABLE exports (
        export_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        format text NOT NULL CHECK (format IN ('csv', 'xlsx')),
        studio_ids uuid[],
        status text NOT NULL CHECK (status IN ('WAITING', 'RUNNING', 'COMPLETED', 'FAILED')),
        failure_reason text CHECK ((failure_reason IS NOT NULL) = (status = 'FAILED')),
        rows_done integer NOT NULL,
        rows_total integer,
        attempt integer NOT NULL,
        leased_until timestamptz CHECK ((leased_until IS NOT NULL) = (status = 'RUNNING')),
        file_name text,
        size_bytes bigint,
        sha256 text,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        completed_at timestamptz,
        expires_at timestamptz,
        file_deleted_at timestamptz,
        correlation_id text NOT NULL,
        traceparent text,
        CHECK (
            num_nulls(file_name, size_bytes, sha256, completed_at, expires_at)
            = CASE status WHEN 'COMPLETED' THEN 0 ELSE 5 END
        )
    )
    """,
    """
    COMMENT ON TABLE exports IS
    'exports and the jobs of making them; studio_ids is null for the whole run'
    """,
    "CREATE INDEX exports_of_tenant ON exports (tenant_id, created_at DESC, export_id DESC)",
    """
    CREATE INDEX exports_to_do ON exports (created_at) WHERE status IN ('WAITING', 'RUNNING')
    """,
    "CREATE INDEX exports_to_delete ON exports (expires_at) WHERE file_deleted_at IS NULL",
)


def upgrade() -> None:
    """Creates the tables."""
    plumbing.create_v1()
    for statement in _CREATE:
        op.execute(statement)
    plumbing.expect_new_tenants()


def downgrade() -> None:
    """Drops the tables with all that is in them."""
    op.execute("DROP TABLE exports, handover_rows, handovers, run_studios, runs")
    plumbing.drop_v1()
