"""Exports of the members overview, one file for each studio, and orders that can be cancelled.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UPGRADE = (
    """
    ALTER TABLE exports
        ADD COLUMN kind text NOT NULL DEFAULT 'RUN' CHECK (kind IN ('RUN', 'MEMBERS')),
        ADD COLUMN language text NOT NULL DEFAULT 'de' CHECK (language IN ('de', 'en')),
        ADD COLUMN csv_dialect text NOT NULL DEFAULT 'STANDARD'
            CHECK (csv_dialect IN ('STANDARD', 'GERMAN_EXCEL')),
        ADD COLUMN csv_guarded boolean NOT NULL DEFAULT true,
        ADD COLUMN per_studio boolean NOT NULL DEFAULT false,
        ADD COLUMN studios_named boolean NOT NULL DEFAULT false,
        ADD COLUMN filters jsonb CHECK ((filters IS NULL) = (kind = 'RUN')),
        ADD COLUMN members_missing integer,
        ADD COLUMN cancelled_by text,
        ADD COLUMN cancelled_at timestamptz,
        ADD COLUMN delete_file_at timestamptz,
        ADD COLUMN deletion_failed_at timestamptz,
        ALTER COLUMN run_id DROP NOT NULL,
        ADD CHECK ((run_id IS NULL) = (kind = 'MEMBERS')),
        DROP CONSTRAINT exports_status_check,
        ADD CONSTRAINT exports_status_check
            CHECK (status IN ('WAITING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
        ADD CHECK ((status = 'CANCELLED') = (cancelled_at IS NOT NULL)),
        ADD CHECK ((cancelled_by IS NULL) = (cancelled_at IS NULL))
    """,
    # The release before gave files other names: nobody would find them.
    "UPDATE exports SET expires_at = now() WHERE status = 'COMPLETED' AND expires_at > now()",
    """
    UPDATE exports SET delete_file_at = coalesce(expires_at, created_at)
    WHERE status IN ('COMPLETED', 'FAILED')
    """,
    """
    ALTER TABLE exports
        ADD CHECK ((delete_file_at IS NULL) = (status IN ('WAITING', 'RUNNING')))
    """,
    "DROP INDEX exports_to_delete",
    "CREATE INDEX exports_to_delete ON exports (delete_file_at) WHERE file_deleted_at IS NULL",
    "CREATE INDEX runs_not_announced ON runs (tenant_id) WHERE created_at IS NULL",
    """
    COMMENT ON TABLE exports IS
    'exports and the jobs of making them; studio_ids is null for all studios'
    """,
)

_DOWNGRADE = (
    "DROP INDEX runs_not_announced",
    "DELETE FROM exports WHERE kind = 'MEMBERS' OR status = 'CANCELLED' OR per_studio",
    """
    ALTER TABLE exports
        DROP COLUMN kind, DROP COLUMN language, DROP COLUMN csv_dialect, DROP COLUMN csv_guarded,
        DROP COLUMN per_studio, DROP COLUMN studios_named, DROP COLUMN filters,
        DROP COLUMN members_missing,
        DROP COLUMN cancelled_by, DROP COLUMN cancelled_at, DROP COLUMN delete_file_at,
        DROP COLUMN deletion_failed_at,
        ALTER COLUMN run_id SET NOT NULL,
        DROP CONSTRAINT exports_status_check,
        ADD CONSTRAINT exports_status_check
            CHECK (status IN ('WAITING', 'RUNNING', 'COMPLETED', 'FAILED'))
    """,
    "CREATE INDEX exports_to_delete ON exports (expires_at) WHERE file_deleted_at IS NULL",
)


def upgrade() -> None:
    """Widens the table of exports."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Takes it back; what the release before cannot tell of is deleted, and its files expire."""
    for statement in _DOWNGRADE:
        op.execute(statement)
