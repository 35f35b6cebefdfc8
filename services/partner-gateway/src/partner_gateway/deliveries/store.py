"""All SQL that changes deliveries, and finds out what is to be sent.

`pages` has that of pages, `contents` that of what requests say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.trace import Cause
from partner_gateway.adapters import Api
from partner_gateway.deliveries.contents import find_contents
from partner_gateway.deliveries.delivery import AT_ONCE, Delivery
from partner_gateway.deliveries.pages import IS_WAITING
from partner_gateway.partners.store import IS_VALID


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


TRIES_KEPT: Final = 50
"""How many tries of a delivery are known one by one."""

_WHENEVER: Final = datetime.max.replace(tzinfo=UTC)  # for PostgreSQL: infinity

# What is sent about a case keeps its order: the handover, without which the rest means nothing to
# the partner, then the changes of its claims, then the STOP. But a STOP is not held up by a change
# that the partner did not take when it was told first: that one may then come after it.
_MAY_GO: Final = """
    (deliveries.status = 'OPEN' AND deliveries.next_try_at <= {due_by}
     AND coalesce(deliveries.under_way_until <= :now, true)
     AND coalesce(deliveries.asked_until <= :now, true)
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
# A partner whose circuit is open is sent anything, due or not, once its pause is over: a probe.
_DUE_BY: Final = "CASE WHEN opened_at IS NULL THEN :now ELSE 'infinity' END"
_RECIPIENTS = text(
    f"""
    SELECT tenant_id, partner_id FROM partners LEFT JOIN circuits USING (tenant_id, partner_id)
    WHERE channel = 'API'
      AND (EXISTS (SELECT FROM claim_changes JOIN cases USING (tenant_id, case_id)
                   WHERE tenant_id = partners.tenant_id
                     AND claim_changes.partner_id = partners.partner_id
                     AND NOT told AND cases.request_id IS NOT NULL)
           OR partners.status = 'ACTIVE'
              AND EXISTS (SELECT FROM secrets
                          WHERE secrets.tenant_id = partners.tenant_id
                            AND secrets.partner_id = partners.partner_id AND {IS_VALID})
              AND (SELECT count(*) FROM deliveries
                   WHERE deliveries.tenant_id = partners.tenant_id
                     AND deliveries.partner_id = partners.partner_id
                     AND under_way_until > :now) < {AT_ONCE}
              AND (opened_at IS NULL
                   OR next_probe_at <= :now AND coalesce(probing_until <= :now, true))
              AND (EXISTS (SELECT FROM cases
                           WHERE cases.tenant_id = partners.tenant_id
                             AND cases.partner_id = partners.partner_id AND {IS_WAITING})
                   OR EXISTS (SELECT FROM deliveries
                              WHERE deliveries.tenant_id = partners.tenant_id
                                AND deliveries.partner_id = partners.partner_id
                                AND {_MAY_GO.format(due_by=_DUE_BY)})))
    ORDER BY partner_id
    """  # noqa: S608 - constants
)
_ROUTE = text(
    f"""
    SELECT api, base_url, sealed_api_token,
           (SELECT array_agg(sealed_secret ORDER BY secret_id) FROM secrets
            WHERE secrets.tenant_id = partners.tenant_id
              AND secrets.partner_id = partners.partner_id AND {IS_VALID}) AS sealed_secrets
    FROM partners
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND status = 'ACTIVE'
    """  # noqa: S608 - constants
)
_CLAIM = text(
    f"""
    WITH due AS (
        SELECT request_id FROM deliveries
        WHERE tenant_id = :tenant_id AND partner_id = :partner_id
          AND {_MAY_GO.format(due_by=":due_by")}
        ORDER BY next_try_at, request_id
        LIMIT :limit
        FOR NO KEY UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE deliveries
        SET tries = tries + 1, last_tried_at = :now, next_try_at = :unknown_until,
            under_way_until = :unknown_until
        FROM due
        WHERE deliveries.tenant_id = :tenant_id AND deliveries.request_id = due.request_id
        RETURNING deliveries.request_id, kind, deliveries.tries AS number, correlation_id,
                  traceparent
    ), noted AS (
        INSERT INTO tries (tenant_id, request_id, number, tried_at)
        SELECT :tenant_id, request_id, number, :now FROM claimed
    ), forgotten AS (
        DELETE FROM tries USING claimed
        WHERE tries.tenant_id = :tenant_id AND tries.request_id = claimed.request_id
          AND tries.number <= claimed.number - {TRIES_KEPT}
    )
    SELECT request_id, kind, number, correlation_id, traceparent FROM claimed
    """  # noqa: S608 - constants
)
_END_TRY = text(
    """
    UPDATE tries SET status = :status, error = :error, duration_ms = :duration_ms
    WHERE tenant_id = :tenant_id AND request_id = :request_id AND number = :tries
    """
)
_FINISH = text(
    """
    UPDATE deliveries
    SET status = :status, finished_at = :now, last_error = :error, under_way_until = NULL
    WHERE tenant_id = :tenant_id AND request_id = :request_id AND status = 'OPEN'
    """
)
_POSTPONE = text(
    """
    UPDATE deliveries
    SET next_try_at = :next_try_at, last_error = :error, under_way_until = NULL,
        asked_until = :asked_until
    WHERE tenant_id = :tenant_id AND request_id = :request_id AND status = 'OPEN'
      AND tries = :tries
    """
)
_BRING_FORWARD = text(
    """
    WITH failing AS (
        SELECT request_id FROM deliveries
        WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND status = 'OPEN'
          AND next_try_at > :now
          AND coalesce(under_way_until <= :now, true) AND coalesce(asked_until <= :now, true)
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE deliveries SET next_try_at = :now
    FROM failing
    WHERE deliveries.tenant_id = :tenant_id AND deliveries.request_id = failing.request_id
    """
)
# Whoever holds a case may make a delivery that follows this one, whose reference locks its key. And
# who holds this one may wait for the case: so the lock leaves the key free, here and elsewhere.
_LOCK = text(
    """
    SELECT kind, status FROM deliveries
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND request_id = :request_id
    FOR NO KEY UPDATE
    """
)
# Before all others: a probe takes the one whose time came first.
_OPEN_AGAIN = text(
    """
    UPDATE deliveries
    SET status = 'OPEN', finished_at = NULL, asked_until = NULL, retried_at = :now,
        retried_by = :retried_by,
        next_try_at = least(:now, (SELECT min(next_try_at) - interval '1 microsecond'
                                   FROM deliveries
                                   WHERE tenant_id = :tenant_id AND partner_id = :partner_id
                                     AND status = 'OPEN'))
    WHERE tenant_id = :tenant_id AND request_id = :request_id
    """
)


async def recipients(connection: AsyncConnection, now: datetime) -> Sequence[Recipient]:
    """Return the partners for which there is something to do now, of all tenants: this is work.

    Nothing is sent to who is paused, has no secret to sign with, or has got as many requests as
    anybody gets at once, nor to who did not answer lately before it is time for a probe. But what
    they are to be told of claims is noted.
    """
    rows = await connection.execute(_RECIPIENTS, {"now": now})
    return [Recipient(**row._asdict()) for row in rows]


async def route(connection: AsyncConnection, recipient: Recipient) -> Route | None:
    """Return how to reach a partner, as it is set up now; None while nothing may be sent to it.

    That is: while it is paused, or has no secret to sign with.
    """
    row = (await connection.execute(_ROUTE, _partner(recipient))).one_or_none()
    if row is None or row.sealed_secrets is None:
        return None
    return Route(Api(row.api), row.base_url, row.sealed_api_token, row.sealed_secrets)


async def claim(
    connection: AsyncConnection,
    recipient: Recipient,
    limit: int,
    now: datetime,
    unknown_until: datetime,
    *,
    also_not_due: bool = False,
) -> Sequence[Delivery]:
    """Take what may be sent, that whose time came first, and count the try that is made next.

    Until `unknown_until` nobody else takes it; if we die before, it is sent again then.
    `also_not_due` takes what waits for its next try, too, unless the partner asked for the pause.
    """
    parameters = {
        **_partner(recipient),
        "limit": limit,
        "now": now,
        "due_by": _WHENEVER if also_not_due else now,
        "unknown_until": unknown_until,
    }
    rows = (await connection.execute(_CLAIM, parameters)).all()
    contents = await find_contents(
        connection,
        recipient.tenant_id,
        [row.request_id for row in rows if row.kind == "HANDOVER"],
        [row.request_id for row in rows if row.kind == "NOTICE"],
    )
    return [
        Delivery(
            row.request_id,
            recipient.partner_id,
            row.number,
            contents[row.request_id],
            Cause(recipient.tenant_id, row.correlation_id, row.traceparent),
        )
        for row in rows
    ]


async def end_try(
    connection: AsyncConnection,
    delivery: Delivery,
    status: int | None,
    error: str | None,
    took: timedelta,
) -> None:
    """Store what came of a try: the HTTP status if there is one, and what was wrong."""
    parameters = {
        **_delivery(delivery),
        "tries": delivery.tries,
        "status": status,
        "error": error,
        "duration_ms": took // timedelta(milliseconds=1),
    }
    await connection.execute(_END_TRY, parameters)


async def finish(
    connection: AsyncConnection, delivery: Delivery, status: str, error: str | None, now: datetime
) -> bool:
    """End a delivery as DONE or STOPPED; False when it has ended before: it ends once."""
    parameters = {**_delivery(delivery), "status": status, "error": error, "now": now}
    return (await connection.execute(_FINISH, parameters)).rowcount == 1


async def postpone(
    connection: AsyncConnection,
    delivery: Delivery,
    error: str | None,
    next_try_at: datetime,
    asked_until: datetime,
) -> bool:
    """Store when the next try is, and why; False when a later try, or an answer, overtook this.

    Before `asked_until` nothing makes it go out but a person.
    """
    parameters = {
        **_delivery(delivery),
        "tries": delivery.tries,
        "error": error,
        "next_try_at": next_try_at,
        "asked_until": asked_until,
    }
    return (await connection.execute(_POSTPONE, parameters)).rowcount == 1


async def bring_forward(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, now: datetime
) -> None:
    """Let all that failed at a partner be due, except what the partner asked to have later.

    What is under way, or held by somebody, stays as it is.
    """
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id, "now": now}
    await connection.execute(_BRING_FORWARD, parameters)


async def lock(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, request_id: UUID
) -> tuple[str, str] | None:
    """Return kind and status of a partner's delivery, and keep others from changing it."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id, "request_id": request_id}
    row = (await connection.execute(_LOCK, parameters)).one_or_none()
    return None if row is None else (row.kind, row.status)


async def open_again(
    connection: AsyncConnection,
    tenant_id: UUID,
    partner_id: UUID,
    request_id: UUID,
    retried_by: str,
    now: datetime,
) -> None:
    """Let a delivery be the next that goes to its partner; the caller holds its row."""
    parameters = {
        "tenant_id": tenant_id,
        "partner_id": partner_id,
        "request_id": request_id,
        "retried_by": retried_by,
        "now": now,
    }
    await connection.execute(_OPEN_AGAIN, parameters)


def _partner(recipient: Recipient) -> dict[str, UUID]:
    return {"tenant_id": recipient.tenant_id, "partner_id": recipient.partner_id}


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {"tenant_id": delivery.tenant_id, "request_id": delivery.request_id}
