"""All SQL about callbacks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.trace import Cause
from partner_gateway.adapters import Api


@dataclass(frozen=True, slots=True)
class Callback:
    """What a partner said, as it came and with its signature checked."""

    callback_id: UUID
    partner_id: UUID
    webhook_id: str
    webhook_timestamp: str
    webhook_signature: str
    body: bytes
    received_at: datetime
    cause: Cause


@dataclass(frozen=True, slots=True)
class HeldCase:
    """A case that a partner was given, or may have been: its request was stored to be sent."""

    case_id: UUID
    partner_id: UUID
    run_id: UUID
    member_id: UUID


@dataclass(frozen=True, slots=True)
class Speaker:
    """A partner that said something new."""

    tenant_id: UUID
    partner_id: UUID
    api: Api


_INSERT = text(
    """
    INSERT INTO callbacks (callback_id, tenant_id, partner_id, webhook_id, webhook_timestamp,
                           webhook_signature, body, received_at, status, correlation_id,
                           traceparent)
    VALUES (:callback_id, :tenant_id, :partner_id, :webhook_id, :webhook_timestamp,
            :webhook_signature, :body, :received_at, 'RECEIVED', :correlation_id, :traceparent)
    ON CONFLICT (tenant_id, partner_id, webhook_id) DO NOTHING
    """
)
_BODY = text(
    """
    SELECT body FROM callbacks
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND webhook_id = :webhook_id
    """
)
# A callback waits for a case, or a run, to be given to whoever; to whom is judged afterwards.
_IS_DUE = """
    (callbacks.status = 'RECEIVED'
     OR callbacks.status = 'WAITING' AND EXISTS (
         SELECT FROM cases
         WHERE cases.tenant_id = callbacks.tenant_id AND cases.request_id IS NOT NULL
           AND cases.case_id = callbacks.waits_for
         UNION ALL
         SELECT FROM cases
         WHERE cases.tenant_id = callbacks.tenant_id AND cases.request_id IS NOT NULL
           AND cases.run_id = callbacks.waits_for))
"""
# The partner's row is the lock under which its callbacks keep their order.
_LOCK_PARTNER_WITH_DUE = text(
    f"""
    SELECT tenant_id, partner_id, api FROM partners
    WHERE EXISTS (
        SELECT FROM callbacks
        WHERE callbacks.tenant_id = partners.tenant_id
          AND callbacks.partner_id = partners.partner_id
          AND callbacks.status IN ('RECEIVED', 'WAITING') AND {_IS_DUE})
    ORDER BY partner_id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
    """  # noqa: S608 - constants
)
_DUE = text(
    f"""
    SELECT callback_id, tenant_id, partner_id, webhook_id, webhook_timestamp, webhook_signature,
           body, received_at, correlation_id, traceparent
    FROM callbacks
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id
      AND status IN ('RECEIVED', 'WAITING') AND {_IS_DUE}
    ORDER BY callback_id
    LIMIT :limit
    """  # noqa: S608 - constants
)
_HELD_CASES = text(
    """
    SELECT case_id, partner_id, run_id, member_id FROM cases
    WHERE tenant_id = :tenant_id AND request_id IS NOT NULL
      AND case_id = ANY (CAST(:case_ids AS uuid[]))
    """
)
_HELD_RUNS = text(
    """
    SELECT DISTINCT run_id, partner_id FROM cases
    WHERE tenant_id = :tenant_id AND request_id IS NOT NULL
      AND run_id = ANY (CAST(:run_ids AS uuid[]))
    """
)
_MARK = text(
    """
    UPDATE callbacks
    SET status = new.status, reason = new.reason, waits_for = new.waits_for, handled_at = :now
    FROM unnest(CAST(:callback_ids AS uuid[]), CAST(:statuses AS text[]),
                CAST(:reasons AS text[]), CAST(:waits_for AS uuid[]))
         AS new (callback_id, status, reason, waits_for)
    WHERE callbacks.tenant_id = :tenant_id AND callbacks.callback_id = new.callback_id
    """
)


async def insert_callback(connection: AsyncConnection, callback: Callback) -> bool:
    """Store a callback; False when this partner has used its webhook id before."""
    parameters = {
        "callback_id": callback.callback_id,
        "tenant_id": callback.cause.tenant_id,
        "partner_id": callback.partner_id,
        "webhook_id": callback.webhook_id,
        "webhook_timestamp": callback.webhook_timestamp,
        "webhook_signature": callback.webhook_signature,
        "body": callback.body,
        "received_at": callback.received_at,
        "correlation_id": callback.cause.correlation_id,
        "traceparent": callback.cause.traceparent,
    }
    return (await connection.execute(_INSERT, parameters)).rowcount == 1


async def body_of_callback(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, webhook_id: str
) -> bytes | None:
    """Return the body that came under a webhook id first."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id, "webhook_id": webhook_id}
    body: bytes | None = await connection.scalar(_BODY, parameters)
    return body


async def lock_partner_with_due_callbacks(
    connection: AsyncConnection,
) -> Speaker | None:
    """Return a partner that said something new, and keep others off it; None: there is none.

    Looks at all tenants: this is work, not somebody's question.
    """
    row = (await connection.execute(_LOCK_PARTNER_WITH_DUE)).one_or_none()
    return None if row is None else Speaker(row.tenant_id, row.partner_id, Api(row.api))


async def due_callbacks(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, limit: int
) -> Sequence[Callback]:
    """Return what a partner said that can be looked at now, in the order in which it came."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id, "limit": limit}
    return [_callback(row) for row in await connection.execute(_DUE, parameters)]


async def held_cases(
    connection: AsyncConnection, tenant_id: UUID, case_ids: Sequence[UUID]
) -> dict[UUID, HeldCase]:
    """Return those of the cases that the tenant has given to a partner, by their id."""
    parameters = {"tenant_id": tenant_id, "case_ids": case_ids}
    rows = await connection.execute(_HELD_CASES, parameters)
    return {row.case_id: HeldCase(**row._asdict()) for row in rows}


async def holders_of_runs(
    connection: AsyncConnection, tenant_id: UUID, run_ids: Sequence[UUID]
) -> dict[UUID, UUID]:
    """Return the partner of each of the runs of which the tenant has given a case to it."""
    parameters = {"tenant_id": tenant_id, "run_ids": run_ids}
    rows = await connection.execute(_HELD_RUNS, parameters)
    return {row.run_id: row.partner_id for row in rows}


async def mark_callbacks(
    connection: AsyncConnection,
    tenant_id: UUID,
    marks: Sequence[tuple[UUID, str, str | None, UUID | None]],
    now: datetime,
) -> None:
    """Store what became of callbacks: id, status, reason why parked, what it waits for."""
    callback_ids, statuses, reasons, waits_for = (
        list(column) for column in zip(*marks, strict=True)
    )
    await connection.execute(
        _MARK,
        {
            "tenant_id": tenant_id,
            "callback_ids": callback_ids,
            "statuses": statuses,
            "reasons": reasons,
            "waits_for": waits_for,
            "now": now,
        },
    )


def _callback(row: Any) -> Callback:
    columns = row._asdict()
    cause = Cause(
        columns.pop("tenant_id"), columns.pop("correlation_id"), columns.pop("traceparent")
    )
    return Callback(**columns, cause=cause)
