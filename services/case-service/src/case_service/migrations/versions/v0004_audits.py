"""What the last audit found."""

from alembic import op

from kit import plumbing

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute(
        """
        CREATE TABLE audits (
            audit_id uuid PRIMARY KEY,
            started_at timestamptz NOT NULL,
            finished_at timestamptz NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE audit_differences (
            tenant_id uuid NOT NULL,
            audit_id uuid NOT NULL REFERENCES audits ON DELETE CASCADE,
            place integer NOT NULL,
            case_id uuid NOT NULL,
            what text NOT NULL,
            kept text,
            recomputed text,
            PRIMARY KEY (tenant_id, audit_id, place)
        )
        """
    )
    plumbing.expect_new_tenants()


def downgrade() -> None:
    """Drop them; an audit can be made again."""
    op.execute("DROP TABLE audit_differences, audits")
