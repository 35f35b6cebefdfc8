"""Contacts of partners, and secrets that end and name their key.

Revision ID: 0004
"""

from alembic import op

from kit.plumbing import expect_new_tenants

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# What has ended moves to a table of its own, without its text: so whoever reads `secrets`, the
# release before among them, finds only what it may use and can open.
_CREATE: tuple[str, ...] = (
    "ALTER TABLE partners ADD COLUMN contact jsonb, ADD COLUMN api_token_key_id text",
    "COMMENT ON COLUMN partners.contact IS 'whom staff reach at the partner'",
    "COMMENT ON COLUMN partners.api_token_key_id IS 'the key that seals the token; NULL: unknown'",
    """
    ALTER TABLE secrets
    ADD COLUMN secret_key_id text,
    ADD COLUMN ends_at timestamptz,
    ADD COLUMN ended_by text,
    ADD CHECK ((ends_at IS NULL) = (ended_by IS NULL))
    """,
    "COMMENT ON TABLE secrets IS 'what a partner and we sign with; each is valid until it ends'",
    "COMMENT ON COLUMN secrets.secret_key_id IS 'the key that seals the secret; NULL: unknown'",
    """
    CREATE TABLE ended_secrets (
        secret_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        partner_id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        ended_at timestamptz NOT NULL,
        ended_by text NOT NULL,
        FOREIGN KEY (tenant_id, partner_id) REFERENCES partners (tenant_id, partner_id)
    )
    """,
    "COMMENT ON TABLE ended_secrets IS 'who made and who ended the secrets of the past'",
    "CREATE INDEX ended_secrets_partner ON ended_secrets (tenant_id, partner_id)",
)


def upgrade() -> None:
    """Change the tables; the release before goes on with them."""
    for statement in _CREATE:
        op.execute(statement)
    expect_new_tenants()


def downgrade() -> None:
    """Take the changes back; what has ended must not be valid again."""
    op.execute("DELETE FROM secrets WHERE ends_at <= now()")
    op.execute("DROP TABLE ended_secrets")
    op.execute(
        "ALTER TABLE secrets DROP COLUMN secret_key_id, DROP COLUMN ends_at, DROP COLUMN ended_by"
    )
    op.execute("ALTER TABLE partners DROP COLUMN contact, DROP COLUMN api_token_key_id")
