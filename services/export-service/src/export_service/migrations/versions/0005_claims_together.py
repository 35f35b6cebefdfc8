"""A member's claims are kept together: what their rows have in common is stored once.

Five sixths of each row of an export are the member's. Rows that are there stay as they are: they
have one claim, which adds nothing to their cells.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_UPGRADE = (
    "ALTER TABLE handover_rows ADD COLUMN claims json NOT NULL DEFAULT '[[]]'",
    # Rows that are there keep it. One that comes without its claims is a mistake, and refused.
    "ALTER TABLE handover_rows ALTER COLUMN claims DROP DEFAULT",
    # A row of more than 2 kB is not worth to be compressed: it is written and read once or twice.
    "ALTER TABLE handover_rows SET (toast_tuple_target = 8160)",
    """
    COMMENT ON TABLE handover_rows IS
    'rows of exports, read in the order of the key: cells, then those of one of the claims'
    """,
    "COMMENT ON COLUMN handover_rows.claim_index IS 'of the first of the claims'",
)

_DOWNGRADE = (
    """
    WITH taken AS (
        DELETE FROM handover_rows WHERE CAST(claims AS text) <> '[[]]' RETURNING *
    )
    INSERT INTO handover_rows
        (tenant_id, run_id, studio_id, booking_number, claim_index, cells, claims)
    SELECT tenant_id, run_id, studio_id, booking_number,
           CAST(claim_index + place - 1 AS integer),
           CAST(CAST(cells AS jsonb) || CAST(claim AS jsonb) AS json), '[[]]'
    FROM taken
    CROSS JOIN json_array_elements(claims) WITH ORDINALITY AS each (claim, place)
    """,
    "ALTER TABLE handover_rows DROP COLUMN claims",
    "ALTER TABLE handover_rows RESET (toast_tuple_target)",
    "COMMENT ON COLUMN handover_rows.claim_index IS NULL",
    """
    COMMENT ON TABLE handover_rows IS
    'the rows of exports, read in the order of the key; cells are texts, one a column'
    """,
)


def upgrade() -> None:
    """Lets rows have claims beside their cells; no row is written anew."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Repeats the member's cells for each claim."""
    for statement in _DOWNGRADE:
        op.execute(statement)
