"""Circuits: partners that do not answer are left alone for a while.

Revision ID: 0005
"""

from alembic import op

from kit.plumbing import expect_new_tenants

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CREATE: tuple[str, ...] = ()


def upgrade() -> None:
    """Change the tables; the release before goes on with them."""
    for statement in _CREATE:
        op.execute(statement)
    expect_new_tenants()


def downgrade() -> None:
    """Take the changes back."""
