"""All SQL about deliveries, and about the cases that go to partners with an API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.trace import Cause
from partner_gateway.adapters import Api
from partner_gateway.adapters.adapter import HandoverPage, Notice
from partner_gateway.deliveries.delivery import Delivery
from partner_gateway.notices.claim_change import ClaimChange


@dataclass(frozen=True, slots=True)
class Recipient:
    """A partner with an API."""

    tenant_id: UUID
    partner_id: UUID


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach a partner, and what to sign with; sealed."""

    api: Api
    base_url: str
    sealed_api_token: bytes | None
    sealed_secrets: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class PageCase:
    """A case within a page."""

    case_id: UUID
    run_id: UUID
    member_id: UUID
    cause: Cause


# What is sent about a case keeps its order: the handover, without which the rest means nothing to
# the partner, then the changes of its claims, then the STOP. But a STOP is not held up by a change
# that the partner did not take when it was told first: that one may then come after it.
_IS_DUE: Final = """
    (deliveries.status = 'OPEN' AND deliveries.next_try_at <= :now
     AND NOT EXISTS (
         SELECT FROM deliveries before
         WHERE before.tenant_id = deliveries.tenant_id
           AND before.request_id = deliveries.after_request_id
           AND before.status = 'OPEN'
           AND NOT EXISTS (
               SELECT FROM notices AS stop
               JOIN notices AS change ON change.tenant_id = stop.tenant_id
                                     AND change.case_id = stop.case_id
               JOIN deliveries AS failing ON failing.tenant_id = change.tenant_id
                                         AND failing.request_id = change.request_id
               WHERE stop.tenant_id = deliveries.tenant_id
                 AND stop.request_id = deliveries.request_id
                 AND stop.kind = 'STOP' AND change.kind <> 'STOP'
                 AND failing.status = 'OPEN' AND failing.last_error IS NOT NULL)))
"""
_IS_WAITING: Final = "(cases.request_id IS NULL AND cases.item IS NOT NULL)"
_RECIPIENTS = text(
    f"""
    SELECT tenant_id, partner_id FROM partners
    WHERE channel = 'API'
      AND EXISTS (SELECT FROM secrets
                  WHERE secrets.tenant_id = partners.tenant_id
                    AND secrets.partner_id = partners.partner_id)
      AND (EXISTS (SELECT FROM cases
                   WHERE cases.tenant_id = partners.tenant_id
                     AND cases.partner_id = partners.partner_id AND {_IS_WAITING})
           OR EXISTS (SELECT FROM claim_changes JOIN cases USING (tenant_id, case_id)
                      WHERE tenant_id = partners.tenant_id
                        AND claim_changes.partner_id = partners.partner_id
                        AND NOT told AND cases.request_id IS NOT NULL)
           OR EXISTS (SELECT FROM deliveries
                      WHERE deliveries.tenant_id = partners.tenant_id
                        AND deliveries.partner_id = partners.partner_id AND {_IS_DUE}))
    ORDER BY partner_id
    """  # noqa: S608 - constants
)
_ROUTE = text(
    """
    SELECT api, base_url, sealed_api_token,
           (SELECT array_agg(sealed_secret ORDER BY secret_id) FROM secrets
            WHERE secrets.tenant_id = partners.tenant_id
              AND secrets.partner_id = partners.partner_id) AS sealed_secrets
    FROM partners
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id
    """
)
_PAGE = text(
    f"""
    SELECT case_id, correlation_id, traceparent FROM cases
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND {_IS_WAITING}
      AND run_id = (SELECT run_id FROM cases
                    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND {_IS_WAITING}
                    ORDER BY run_id LIMIT 1)
    ORDER BY booking_number
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
    """  # noqa: S608 - constants
)
_INSERT_PAGE = text(
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
_CLAIM = text(
    f"""
    WITH due AS (
        SELECT request_id FROM deliveries
        WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND {_IS_DUE}
        ORDER BY next_try_at, request_id
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    )
    UPDATE deliveries
    SET tries = tries + 1, last_tried_at = :now, next_try_at = :unknown_until
    FROM due
    WHERE deliveries.tenant_id = :tenant_id AND deliveries.request_id = due.request_id
    RETURNING deliveries.request_id, kind, tries, correlation_id, traceparent
    """  # noqa: S608 - constants
)
_ITEMS = text(
    """
    SELECT request_id, run_id, run_booking_number, collection_date,
           array_agg(item ORDER BY booking_number) AS items
    FROM cases
    WHERE tenant_id = :tenant_id AND request_id = ANY (CAST(:request_ids AS uuid[]))
    GROUP BY request_id, run_id, run_booking_number, collection_date
    """
)
_NOTICES = text(
    """
    SELECT notices.request_id, notice_id, notices.kind, notices.case_id, claim_change
    FROM notices LEFT JOIN claim_changes USING (tenant_id, notice_id)
    WHERE tenant_id = :tenant_id AND notices.request_id = ANY (CAST(:request_ids AS uuid[]))
    """
).columns(claim_change=JSONB)
_FINISH = text(
    """
    UPDATE deliveries
    SET status = :status, finished_at = :now, last_error = :error
    WHERE tenant_id = :tenant_id AND request_id = :request_id AND status = 'OPEN'
    """
)
_POSTPONE = text(
    """
    UPDATE deliveries SET next_try_at = :next_try_at, last_error = :error
    WHERE tenant_id = :tenant_id AND request_id = :request_id AND status = 'OPEN'
      AND tries = :tries
    """
)
_FORGET_ITEMS = text(
    """
    UPDATE cases SET item = NULL
    WHERE tenant_id = :tenant_id AND request_id = :request_id
    RETURNING case_id, run_id, member_id, correlation_id, traceparent
    """
)


async def recipients(connection: AsyncConnection, now: datetime) -> Sequence[Recipient]:
    """Return the partners that are owed something now, of all tenants: this is work.

    Whoever has no secret is left out: nothing can be signed for it yet.
    """
    rows = await connection.execute(_RECIPIENTS, {"now": now})
    return [Recipient(**row._asdict()) for row in rows]


async def route(connection: AsyncConnection, recipient: Recipient) -> Route:
    """Return how to reach a partner that has a secret to sign with, as it is set up now."""
    parameters = {"tenant_id": recipient.tenant_id, "partner_id": recipient.partner_id}
    row = (await connection.execute(_ROUTE, parameters)).one()
    return Route(Api(row.api), row.base_url, row.sealed_api_token, row.sealed_secrets)


async def form_page(
    connection: AsyncConnection, recipient: Recipient, request_id: UUID, limit: int, now: datetime
) -> bool:
    """Put waiting cases of one run on a new page; False when none waits."""
    owner = {"tenant_id": recipient.tenant_id, "partner_id": recipient.partner_id}
    rows = (await connection.execute(_PAGE, {**owner, "limit": limit})).all()
    if not rows:
        return False
    page = {**owner, "request_id": request_id}
    cause = {"correlation_id": rows[0].correlation_id, "traceparent": rows[0].traceparent}
    await connection.execute(_INSERT_PAGE, {**page, **cause, "now": now})
    case_ids = [row.case_id for row in rows]
    await connection.execute(_PUT_ON_PAGE, {**page, "case_ids": case_ids})
    return True


async def claim(
    connection: AsyncConnection,
    recipient: Recipient,
    limit: int,
    now: datetime,
    unknown_until: datetime,
) -> Sequence[Delivery]:
    """Take deliveries whose time has come, and count the try that is made next.

    Until `unknown_until` nobody else takes them; if we die before, they are sent again then.
    """
    owner = {"tenant_id": recipient.tenant_id, "partner_id": recipient.partner_id}
    parameters = {**owner, "limit": limit, "now": now, "unknown_until": unknown_until}
    rows = (await connection.execute(_CLAIM, parameters)).all()
    request_ids = {
        kind: [row.request_id for row in rows if row.kind == kind]
        for kind in ("HANDOVER", "NOTICE")
    }
    contents: dict[UUID, HandoverPage | Notice] = {
        **await _pages(connection, recipient.tenant_id, request_ids["HANDOVER"]),
        **await _notices(connection, recipient.tenant_id, request_ids["NOTICE"]),
    }
    return [
        Delivery(
            row.request_id,
            recipient.partner_id,
            row.tries,
            contents[row.request_id],
            Cause(recipient.tenant_id, row.correlation_id, row.traceparent),
        )
        for row in rows
    ]


async def finish(
    connection: AsyncConnection, delivery: Delivery, status: str, error: str | None, now: datetime
) -> bool:
    """End a delivery as DONE or STOPPED; False when it has ended before: it ends once."""
    parameters = {
        "tenant_id": delivery.tenant_id,
        "request_id": delivery.request_id,
        "status": status,
        "error": error,
        "now": now,
    }
    return (await connection.execute(_FINISH, parameters)).rowcount == 1


async def postpone(
    connection: AsyncConnection, delivery: Delivery, error: str | None, next_try_at: datetime
) -> bool:
    """Store when the next try is, and why; False when a later try, or an answer, overtook this."""
    parameters = {
        "tenant_id": delivery.tenant_id,
        "request_id": delivery.request_id,
        "tries": delivery.tries,
        "error": error,
        "next_try_at": next_try_at,
    }
    return (await connection.execute(_POSTPONE, parameters)).rowcount == 1


async def forget_items(connection: AsyncConnection, delivery: Delivery) -> dict[UUID, PageCase]:
    """Delete the personal data of a page that the partner has; return the page's cases by id."""
    parameters = {"tenant_id": delivery.tenant_id, "request_id": delivery.request_id}
    rows = await connection.execute(_FORGET_ITEMS, parameters)
    return {
        row.case_id: PageCase(
            row.case_id,
            row.run_id,
            row.member_id,
            Cause(delivery.tenant_id, row.correlation_id, row.traceparent),
        )
        for row in rows
    }


async def _pages(
    connection: AsyncConnection, tenant_id: UUID, request_ids: Sequence[UUID]
) -> dict[UUID, HandoverPage]:
    rows = await _of_requests(connection, _ITEMS, tenant_id, request_ids)
    return {
        row.request_id: HandoverPage(
            row.run_id, row.run_booking_number, row.collection_date, row.items
        )
        for row in rows
    }


async def _notices(
    connection: AsyncConnection, tenant_id: UUID, request_ids: Sequence[UUID]
) -> dict[UUID, Notice]:
    rows = await _of_requests(connection, _NOTICES, tenant_id, request_ids)
    return {
        row.request_id: Notice(
            row.notice_id,
            row.kind,
            row.case_id,
            row.claim_change and ClaimChange.model_validate(row.claim_change),
        )
        for row in rows
    }


async def _of_requests(
    connection: AsyncConnection, query: Any, tenant_id: UUID, request_ids: Sequence[UUID]
) -> Sequence[Any]:
    if not request_ids:
        return []
    parameters = {"tenant_id": tenant_id, "request_ids": request_ids}
    return (await connection.execute(query, parameters)).all()
