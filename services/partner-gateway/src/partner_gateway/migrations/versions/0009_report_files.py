"""Report files of partners.

Revision ID: 0009
"""

from alembic import op

from kit.plumbing import expect_new_tenants

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_CREATE: tuple[str, ...] = (
    """
    CREATE TABLE report_formats (
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        format jsonb NOT NULL,
        changed_at timestamptz NOT NULL,
        changed_by text NOT NULL,
        PRIMARY KEY (tenant_id, partner_id),
        FOREIGN KEY (tenant_id, partner_id) REFERENCES partners (tenant_id, partner_id)
    )
    """,
    "COMMENT ON TABLE report_formats IS 'how partners write their report files'",
    """
    CREATE TABLE report_files (
        report_file_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        status text NOT NULL CHECK (status IN (
            'RECEIVED', 'CHECKING', 'CHECKED', 'REFUSED', 'APPLYING', 'APPLIED', 'WITHDRAWN',
            'EXPIRED')),
        reason text,
        sha256 bytea NOT NULL,
        size integer NOT NULL,
        format jsonb,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        expires_at timestamptz NOT NULL,
        emptied boolean NOT NULL DEFAULT false,
        worked_on_until timestamptz NOT NULL,
        rows_expected integer NOT NULL DEFAULT 0,
        last_row_read integer NOT NULL DEFAULT 0,
        good integer NOT NULL DEFAULT 0,
        bad integer NOT NULL DEFAULT 0,
        known integer NOT NULL DEFAULT 0,
        to_apply jsonb,
        last_row_applied integer NOT NULL DEFAULT 0,
        applied integer NOT NULL DEFAULT 0,
        applied_at timestamptz,
        correlation_id text,
        traceparent text,
        UNIQUE (tenant_id, report_file_id),
        FOREIGN KEY (tenant_id, partner_id) REFERENCES partners (tenant_id, partner_id),
        CHECK ((status = 'REFUSED') = (reason IS NOT NULL)),
        CHECK ((status = 'APPLIED') = (applied_at IS NOT NULL))
    )
    """,
    """
    COMMENT ON TABLE report_files IS
    'files of partners; format is what the partner had set up when the file came, if anything'
    """,
    """
    CREATE UNIQUE INDEX report_files_same ON report_files (tenant_id, partner_id, sha256)
    WHERE status IN ('RECEIVED', 'CHECKING', 'CHECKED', 'APPLYING')
    """,
    """
    CREATE INDEX report_files_applied ON report_files (tenant_id, partner_id, sha256)
    WHERE status = 'APPLIED'
    """,
    """
    CREATE INDEX report_files_to_do ON report_files (worked_on_until)
    WHERE status IN ('RECEIVED', 'CHECKING', 'APPLYING')
    """,
    "CREATE INDEX report_files_to_empty ON report_files (expires_at) WHERE NOT emptied",
    """
    CREATE TABLE report_file_pieces (
        tenant_id uuid NOT NULL,
        report_file_id uuid NOT NULL,
        number integer NOT NULL,
        content bytea NOT NULL,
        PRIMARY KEY (tenant_id, report_file_id, number),
        FOREIGN KEY (tenant_id, report_file_id)
            REFERENCES report_files (tenant_id, report_file_id)
    )
    """,
    "COMMENT ON TABLE report_file_pieces IS 'files as they came, until they are checked'",
    """
    CREATE TABLE report_file_errors (
        tenant_id uuid NOT NULL,
        report_file_id uuid NOT NULL,
        row integer NOT NULL,
        number integer NOT NULL,
        heading text,
        message text NOT NULL,
        PRIMARY KEY (tenant_id, report_file_id, row, number),
        FOREIGN KEY (tenant_id, report_file_id)
            REFERENCES report_files (tenant_id, report_file_id)
    )
    """,
    """
    COMMENT ON TABLE report_file_errors IS
    'what is wrong with rows; holds nothing of what stands in the file but its headings'
    """,
    """
    CREATE TABLE report_rows (
        tenant_id uuid NOT NULL,
        report_file_id uuid NOT NULL,
        row integer NOT NULL,
        kind text NOT NULL,
        case_id uuid NOT NULL,
        amount numeric(14, 2),
        own_fees numeric(14, 2),
        currency text,
        day date,
        partner_reference text,
        file_number text,
        reason_code text,
        reason_text text,
        result_code text,
        identity bytea,
        content bytea,
        state text CHECK (state IN ('GOOD', 'KNOWN', 'BAD')),
        PRIMARY KEY (tenant_id, report_file_id, row),
        FOREIGN KEY (tenant_id, report_file_id)
            REFERENCES report_files (tenant_id, report_file_id)
    )
    """,
    "COMMENT ON TABLE report_rows IS 'what the rows of files say, until they are applied'",
    """
    CREATE TABLE reported_rows (
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        identity bytea NOT NULL,
        content bytea NOT NULL,
        report_file_id uuid,
        PRIMARY KEY (tenant_id, partner_id, identity),
        FOREIGN KEY (tenant_id, report_file_id)
            REFERENCES report_files (tenant_id, report_file_id)
    )
    """,
    """
    COMMENT ON TABLE reported_rows IS
    'hashes of all rows that were ever applied, and of payments that were called back: each once'
    """,
)


def upgrade() -> None:
    """Change the tables; the release before goes on with them."""
    for statement in _CREATE:
        op.execute(statement)
    expect_new_tenants()


def downgrade() -> None:
    """Take the changes back."""
    op.execute(
        "DROP TABLE reported_rows, report_rows, report_file_errors, report_file_pieces, "
        "report_files, report_formats"
    )
