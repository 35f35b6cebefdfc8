"""A page of notices costs no more than it shows, whoever asks and for what (R52, R63)."""

from uuid import UUID

import pytest
from sqlalchemy import text

from kit.auth import Principal
from kit.ids import new_id
from partner_gateway.notices.notice import Kind
from partner_gateway.notices.queries import Wanted, list_notices
from tests.partner_gateway.saying import NOWHERE
from tests.partner_gateway.world import TENANT, Gateway

NOTICES = 20_000
RARE = 40
"""Of each of two studios, among the newest; those are the STOPs."""
STUDIOS = (new_id(), new_id())
_ADD = """
    INSERT INTO notices (notice_id, tenant_id, partner_id, case_id, run_id, member_id, studio_id,
                         kind, status, due_on, created_at, correlation_id)
    SELECT uuidv7(), :tenant_id, :partner_id, uuidv7(), uuidv7(), uuidv7(), :studio_id, :kind,
           'DUE', current_date, now(), 'test'
    FROM generate_series(1, :count)
"""


@pytest.mark.parametrize(
    ("studio_ids", "kind"),
    [
        (None, "STOP"),
        (STUDIOS[:1], None),
        (STUDIOS, None),
    ],
)
async def test_a_page_reads_what_it_shows(
    gateway: Gateway, studio_ids: tuple[UUID, ...] | None, kind: Kind | None
) -> None:
    partner = await gateway.set_up(NOWHERE)
    whose = {"tenant_id": TENANT, "partner_id": partner.partner_id}
    common = {**whose, "studio_id": new_id(), "kind": "CLAIM_CHANGED", "count": NOTICES}
    await gateway.execute(_ADD, **common)
    for studio_id in STUDIOS:
        await gateway.execute(_ADD, **whose, studio_id=studio_id, kind="STOP", count=RARE)
    seen = None if studio_ids is None else frozenset(studio_ids)
    principal = Principal("staff-1", TENANT, frozenset(), seen)
    async with gateway.database.connect() as connection:
        found = await list_notices(connection, principal, Wanted(kind=kind), after=None, limit=30)
        read = await connection.scalar(
            text(
                "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables "
                "WHERE relname = 'notices'"
            )
        )
        rest = await list_notices(
            connection, principal, Wanted(kind=kind), after=found[-1].notice_id, limit=1000
        )
    assert read is not None
    assert read <= 30 * max(len(studio_ids or ()), 1) + 10
    ids = [notice.notice_id for notice in [*found, *rest]]
    assert ids == sorted(ids)
    assert len(ids) == RARE * len(studio_ids or STUDIOS)
