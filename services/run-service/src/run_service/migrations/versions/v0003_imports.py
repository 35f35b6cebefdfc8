"""CSV imports: files, rows, what is wrong with them, and what was published."""

from typing import Final

from alembic import op

from kit import plumbing

revision: Final = "0003"
down_revision: Final = "0002"

_CREATE: Final = (
    """
    CREATE TABLE imports (
        tenant_id uuid NOT NULL,
        import_id uuid NOT NULL,
        status text NOT NULL,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        expires_at timestamptz NOT NULL,
        emptied boolean NOT NULL DEFAULT false,
        worked_on_at timestamptz NOT NULL,
        fault_count integer NOT NULL DEFAULT 0,
        published_at timestamptz,
        correlation_id text,
        traceparent text,
        PRIMARY KEY (tenant_id, import_id),
        CONSTRAINT status_known CHECK (
            status IN ('CHECKING', 'CHECKED', 'REFUSED', 'PUBLISHING', 'PUBLISHED', 'DISCARDED')
        )
    )
    """,
    "COMMENT ON COLUMN imports.worked_on_at IS 'the last time'",
    "COMMENT ON COLUMN imports.fault_count IS 'with those that are too many to be kept'",
    "COMMENT ON COLUMN imports.correlation_id IS 'of the request to publish it'",
    """
    CREATE INDEX imports_to_do ON imports (worked_on_at)
    WHERE status IN ('CHECKING', 'PUBLISHING')
    """,
    "CREATE INDEX imports_to_empty ON imports (expires_at) WHERE NOT emptied",
    """
    CREATE TABLE import_files (
        tenant_id uuid NOT NULL,
        import_id uuid NOT NULL,
        kind text NOT NULL,
        size bigint NOT NULL,
        encoding text NOT NULL,
        separator text,
        headings text[],
        checked bigint NOT NULL DEFAULT 0,
        next_row integer NOT NULL DEFAULT 2,
        good integer NOT NULL DEFAULT 0,
        bad integer NOT NULL DEFAULT 0,
        unchanged integer NOT NULL DEFAULT 0,
        published integer NOT NULL DEFAULT 0,
        last_row_done integer NOT NULL DEFAULT 0,
        PRIMARY KEY (tenant_id, import_id, kind)
    )
    """,
    "COMMENT ON COLUMN import_files.size IS 'in bytes'",
    "COMMENT ON COLUMN import_files.headings IS 'empty texts for columns without a heading'",
    "COMMENT ON COLUMN import_files.checked IS 'bytes'",
    """
    COMMENT ON COLUMN import_files.unchanged IS
        'good rows with the content that was published last'
    """,
    "COMMENT ON COLUMN import_files.last_row_done IS 'on publication'",
    """
    CREATE TABLE import_pieces (
        tenant_id uuid NOT NULL,
        import_id uuid NOT NULL,
        kind text NOT NULL,
        number integer NOT NULL,
        content bytea NOT NULL,
        PRIMARY KEY (tenant_id, import_id, kind, number)
    )
    """,
    "COMMENT ON TABLE import_pieces IS 'the files as they came, until they are checked'",
    "COMMENT ON COLUMN import_pieces.number IS 'from 0 on'",
    """
    CREATE TABLE import_rows (
        tenant_id uuid NOT NULL,
        import_id uuid NOT NULL,
        kind text NOT NULL,
        row integer NOT NULL,
        number text,
        thing_id uuid,
        studio_number text,
        studio_id uuid,
        member_number text,
        member_id uuid,
        snapshot text,
        content_hash bytea,
        PRIMARY KEY (tenant_id, import_id, kind, row)
    )
    """,
    "COMMENT ON TABLE import_rows IS 'rows that were checked, until they are published'",
    "COMMENT ON COLUMN import_rows.row IS 'as spreadsheets count'",
    "COMMENT ON COLUMN import_rows.snapshot IS 'without ids and sequence; none of a bad row'",
    "CREATE INDEX import_rows_number ON import_rows (tenant_id, import_id, kind, number, row)",
    """
    CREATE TABLE import_faults (
        tenant_id uuid NOT NULL,
        import_id uuid NOT NULL,
        number integer NOT NULL,
        kind text NOT NULL,
        row integer NOT NULL,
        heading text,
        message text NOT NULL,
        PRIMARY KEY (tenant_id, import_id, number)
    )
    """,
    "COMMENT ON COLUMN import_faults.number IS 'in the order in which they were found'",
    "COMMENT ON COLUMN import_faults.message IS 'holds nothing of what stands in the file'",
    """
    CREATE TABLE imported_ids (
        tenant_id uuid NOT NULL,
        kind text NOT NULL,
        number text NOT NULL,
        thing_id uuid NOT NULL,
        PRIMARY KEY (tenant_id, kind, number)
    )
    """,
    """
    COMMENT ON TABLE imported_ids IS
        'the id that each number got when it was first published'
    """,
    """
    CREATE TABLE imported_things (
        tenant_id uuid NOT NULL,
        kind text NOT NULL,
        thing_id uuid NOT NULL,
        studio_id uuid,
        member_id uuid,
        content_hash bytea NOT NULL,
        sequence bigint NOT NULL,
        PRIMARY KEY (tenant_id, kind, thing_id)
    )
    """,
    "COMMENT ON TABLE imported_things IS 'what was published last of each thing'",
    "COMMENT ON COLUMN imported_things.studio_id IS 'of a member or claim'",
    "COMMENT ON COLUMN imported_things.member_id IS 'of a claim'",
)
_TABLES: Final = (
    "imported_things",
    "imported_ids",
    "import_faults",
    "import_rows",
    "import_pieces",
    "import_files",
    "imports",
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
