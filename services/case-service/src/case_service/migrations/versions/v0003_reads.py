"""What makes members, cases and files quick to find."""

import json

import sqlalchemy as sa
from alembic import op

from kit.search_text import search_text, text_keys

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MEMBERS_AT_A_TIME = 10_000

# Defaults let the release that still runs add rows; a later release drops them.
_COLUMNS = (
    """
    ALTER TABLE members
        ADD COLUMN search_text text NOT NULL DEFAULT '',
        ADD COLUMN search_keys integer[] NOT NULL DEFAULT '{}'
    """,
    # In the order of its bytes an index finds numbers that begin alike.
    'ALTER TABLE cases ALTER COLUMN file_number TYPE text COLLATE "C"',
)

# Lists begin with the newest handover: each index ends with its day and the case.
_INDEXES = (
    "CREATE INDEX members_by_search_keys ON members USING gin (search_keys)",
    "CREATE INDEX cases_newest ON cases (tenant_id, collection_date, case_id)",
    "CREATE INDEX cases_by_status ON cases (tenant_id, status, collection_date, case_id)",
    "CREATE INDEX cases_by_run ON cases (tenant_id, run_id, collection_date, case_id)",
    "CREATE INDEX cases_by_studio ON cases (tenant_id, studio_id, collection_date, case_id)",
    "CREATE INDEX cases_by_partner ON cases (tenant_id, partner_id, collection_date, case_id)",
    """
    CREATE INDEX cases_by_file ON cases (tenant_id, partner_id, file_number, collection_date,
                                         case_id)
    WHERE file_number IS NOT NULL
    """,
    "DROP INDEX cases_open_again",
    """
    CREATE INDEX cases_open_again ON cases (tenant_id, collection_date, case_id)
    WHERE ended_at IS NOT NULL AND open > 0
    """,
    "DROP INDEX cases_of_run, cases_of_studio, cases_of_partner, cases_of_file, members_newest",
)

_NEXT = sa.text(
    """
    SELECT tenant_id, member_id, name, membership_number FROM members
    WHERE (tenant_id, member_id) > (:tenant_id, :member_id)
    ORDER BY tenant_id, member_id LIMIT :limit
    """
)
_FILL = sa.text(
    """
    UPDATE members SET search_text = given.search_text, search_keys = given.search_keys
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
        tenant_id uuid, member_id uuid, search_text text, search_keys integer[]
    )
    WHERE (members.tenant_id, members.member_id) = (given.tenant_id, given.member_id)
    """
)
_BEFORE_ALL = "00000000-0000-0000-0000-000000000000"


def upgrade() -> None:
    """Add what is searched in, fill it, then the indexes."""
    for statement in _COLUMNS:
        op.execute(statement)
    _fill()
    for statement in _INDEXES:
        op.execute(statement)


def downgrade() -> None:
    """There is no way back: the release before has none either."""
    raise NotImplementedError


def _fill() -> None:
    connection = op.get_bind()
    place = {"tenant_id": _BEFORE_ALL, "member_id": _BEFORE_ALL}
    while found := connection.execute(_NEXT, place | {"limit": _MEMBERS_AT_A_TIME}).all():
        rows = []
        for tenant_id, member_id, name, membership_number in found:
            text = search_text(name, membership_number)
            place = {"tenant_id": str(tenant_id), "member_id": str(member_id)}
            keys = text_keys(tenant_id, text)
            rows.append({**place, "search_text": text, "search_keys": keys})
        connection.execute(_FILL, {"rows": json.dumps(rows)})
