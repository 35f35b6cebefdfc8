"""Of a snapshot the parts are kept that a handover repeats, as the text that it repeats."""

from typing import Final

from alembic import op

from kit import plumbing

revision: Final = "0004"
down_revision: Final = "0003"

_CHANGE: Final = (
    "ALTER TABLE member_snapshots ADD COLUMN legal_guardian json",
    """
    UPDATE member_snapshots SET legal_guardian = CAST(snapshot ->> 'legal_guardian' AS json)
    WHERE snapshot ->> 'legal_guardian' IS NOT NULL
    """,
    """
    ALTER TABLE member_snapshots ALTER COLUMN snapshot TYPE json USING CAST(
        snapshot - CAST('{member_id, sequence, studio_id, legal_guardian, contract, dunning,
                          collection_block}' AS text[])
        AS json)
    """,
    "ALTER TABLE member_snapshots RENAME COLUMN snapshot TO person",
    """
    ALTER TABLE claim_snapshots ALTER COLUMN snapshot TYPE json USING CAST(
        snapshot - CAST('{sequence, member_id, studio_id, cancelled, disputed}' AS text[])
        AS json)
    """,
    "ALTER TABLE claim_snapshots RENAME COLUMN snapshot TO details",
    "COMMENT ON COLUMN member_snapshots.person IS 'PersonDetails of the contracts'",
    "COMMENT ON COLUMN member_snapshots.legal_guardian IS 'LegalGuardian of the contracts'",
    "COMMENT ON COLUMN claim_snapshots.details IS 'ClaimDetails of the contracts'",
)


def upgrade() -> None:
    """Leave out what no preview and no handover shows, and keep the rest as text."""
    for statement in _CHANGE:
        op.execute(statement)
    plumbing.create_v2()


def downgrade() -> None:
    """There is no way back: what was left out is gone."""
    raise NotImplementedError
