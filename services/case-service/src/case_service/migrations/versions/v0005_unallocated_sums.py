"""A case can hold more unallocated money than one payment can bring: no report is too much."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Widen the sum; no row is written anew."""
    op.execute("ALTER TABLE cases ALTER COLUMN unallocated TYPE numeric(20, 2)")


def downgrade() -> None:
    """What was widened stays: the release before reads and writes it as well."""
