"""All SQL about pages: the cases of one run that go to a partner in one request."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.trace import Cause
from partner_gateway.deliveries.delivery import Delivery

IS_WAITING: Final = "(cases.request_id IS NULL AND cases.item IS NOT NULL)"
"""Whether a case is to be handed over, and on no page yet."""


@dataclass(frozen=True, slots=True)
class PageCase:
    """A case within a page."""

    case_id: UUID
    run_id: UUID
    member_id: UUID
    cause: Cause


_WAITING = text(
    f"""
    SELECT case_id, correlation_id, traceparent FROM cases
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND {IS_WAITING}
      AND run_id = (SELECT run_id FROM cases
                    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND {IS_WAITING}
                    ORDER BY run_id LIMIT 1)
    ORDER BY booking_number
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
    """  # noqa: S608 - constants
)
_INSERT = text(
    """
    INSERT INTO deliveries (request_id, tenant_id, partner_id, kind, status, tries, next_try_at,
                            created_at, correlation_id, traceparent)
    VALUES (:request_id, :tenant_id, :partner_id, 'HANDOVER', 'OPEN', 0, :now, :now,
            :correlation_id, :traceparent)
    """
)
_PUT_ON_PAGE = text(
    """
    UPDATE cases SET request_id = :request_id
    WHERE tenant_id = :tenant_id AND case_id = ANY (CAST(:case_ids AS uuid[]))
    """
)
_COUNT_OPEN = text(
    """
    SELECT count(*) FROM (
        SELECT FROM deliveries
        WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND status = 'OPEN'
          AND kind = 'HANDOVER'
        LIMIT :limit) AS open_pages
    """
)
# In one order, as ends of cases are stored, too: so that nobody waits in a circle.
_LOCK_CASES = text(
    """
    SELECT item IS NOT NULL AS has_item FROM cases
    WHERE tenant_id = :tenant_id AND request_id = :request_id
    ORDER BY case_id
    FOR NO KEY UPDATE
    """
)
_FORGET_ITEMS = text(
    """
    UPDATE cases SET item = NULL
    WHERE tenant_id = :tenant_id AND request_id = :request_id
    RETURNING case_id, run_id, member_id, correlation_id, traceparent
    """
)
_FORGET_ITEMS_OF_ENDED = text(
    """
    UPDATE cases SET item = NULL
    WHERE tenant_id = :tenant_id AND request_id = :request_id AND ended_at IS NOT NULL
    """
)
_FORGET_STOPPED_ITEMS = text(
    """
    UPDATE cases SET item = NULL
    FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:case_ids AS uuid[]))
         AS ended (tenant_id, case_id), deliveries
    WHERE cases.tenant_id = ended.tenant_id AND cases.case_id = ended.case_id
      AND deliveries.tenant_id = cases.tenant_id AND deliveries.request_id = cases.request_id
      AND deliveries.status = 'STOPPED' AND item IS NOT NULL
    """
)
_COPY = text(
    """
    INSERT INTO deliveries (request_id, tenant_id, partner_id, kind, status, tries, next_try_at,
                            created_at, correlation_id, traceparent)
    SELECT :new_request_id, tenant_id, partner_id, kind, 'OPEN', 0, :now, :now, correlation_id,
           traceparent
    FROM deliveries
    WHERE tenant_id = :tenant_id AND request_id = :request_id
    """
)
_MOVE = text(
    """
    UPDATE cases SET request_id = :new_request_id
    WHERE tenant_id = :tenant_id AND request_id = :request_id AND item IS NOT NULL
    """
)


async def form_page(
    connection: AsyncConnection,
    tenant_id: UUID,
    partner_id: UUID,
    request_id: UUID,
    limit: int,
    now: datetime,
) -> bool:
    """Put waiting cases of one run on a new page; False when none waits."""
    owner = {"tenant_id": tenant_id, "partner_id": partner_id}
    rows = (await connection.execute(_WAITING, {**owner, "limit": limit})).all()
    if not rows:
        return False
    page = {**owner, "request_id": request_id}
    cause = {"correlation_id": rows[0].correlation_id, "traceparent": rows[0].traceparent}
    await connection.execute(_INSERT, {**page, **cause, "now": now})
    case_ids = [row.case_id for row in rows]
    await connection.execute(_PUT_ON_PAGE, {**page, "case_ids": case_ids})
    return True


async def count_open_pages(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, limit: int
) -> int:
    """Return how many pages of a partner are not answered; counts up to `limit`."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id, "limit": limit}
    return int(await connection.scalar(_COUNT_OPEN, parameters) or 0)


async def forget_items(connection: AsyncConnection, delivery: Delivery) -> dict[UUID, PageCase]:
    """Delete the personal data of a page that the partner has; return the page's cases by id."""
    await lock_cases(connection, delivery.tenant_id, delivery.request_id)
    rows = await connection.execute(_FORGET_ITEMS, _page(delivery.tenant_id, delivery.request_id))
    return {
        row.case_id: PageCase(
            row.case_id,
            row.run_id,
            row.member_id,
            Cause(delivery.tenant_id, row.correlation_id, row.traceparent),
        )
        for row in rows
    }


async def forget_items_of_ended_cases(connection: AsyncConnection, delivery: Delivery) -> None:
    """Delete the personal data of those cases of a stopped page that need not be sent any more.

    The page is stored as stopped before: whoever ends a case after that forgets its item alone.
    """
    await lock_cases(connection, delivery.tenant_id, delivery.request_id)
    parameters = _page(delivery.tenant_id, delivery.request_id)
    await connection.execute(_FORGET_ITEMS_OF_ENDED, parameters)


async def forget_items_of_stopped_pages(
    connection: AsyncConnection, cases: set[tuple[UUID, UUID]]
) -> None:
    """Delete the personal data of cases (tenant and case) that have ended, if they were refused.

    On a page that is not answered it stays: that is sent again as it is, for the partner may have
    it. The caller holds the cases.
    """
    if not cases:
        return
    tenant_ids, case_ids = (list(column) for column in zip(*cases, strict=True))
    parameters = {"tenant_ids": tenant_ids, "case_ids": case_ids}
    await connection.execute(_FORGET_STOPPED_ITEMS, parameters)


async def lock_cases(
    connection: AsyncConnection, tenant_id: UUID, request_id: UUID
) -> tuple[int, int]:
    """Keep others from changing the cases of a page; return how many, and how many with items."""
    rows = (await connection.execute(_LOCK_CASES, _page(tenant_id, request_id))).all()
    return len(rows), sum(row.has_item for row in rows)


async def move_to_new_page(
    connection: AsyncConnection,
    tenant_id: UUID,
    request_id: UUID,
    new_request_id: UUID,
    now: datetime,
) -> None:
    """Put those cases of a page that still have items on a page of their own."""
    parameters = {**_page(tenant_id, request_id), "new_request_id": new_request_id}
    await connection.execute(_COPY, {**parameters, "now": now})
    await connection.execute(_MOVE, parameters)


def _page(tenant_id: UUID, request_id: UUID) -> dict[str, UUID]:
    return {"tenant_id": tenant_id, "request_id": request_id}
