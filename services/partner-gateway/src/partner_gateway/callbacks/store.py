"""All SQL about callbacks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.trace import Cause
from partner_gateway.adapters import Api
from partner_gateway.callbacks.callback import Status


@dataclass(frozen=True, slots=True)
class Callback:
    """What a partner said, as it came; that it was the partner has been checked."""

    callback_id: UUID
    partner_id: UUID
    webhook_id: str
    """The partner's own id of it; another body under the same one is refused."""
    body: bytes
    received_at: datetime
    cause: Cause
    headers: Mapping[str, str] = field(default_factory=dict)
    status: Status = Status.RECEIVED
    reason: str | None = None
    """Why it waits for staff; names fields, never values."""
    told: str | None = None
    """Why it is parked, as the partner was told; None: the partner was told that it is received."""


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What a partner was told when it used a webhook id first."""

    body_sha256: bytes
    told: str | None


@dataclass(frozen=True, slots=True)
class HeldCase:
    """A case that a partner was given, or may have been: its request was stored to be sent."""

    case_id: UUID
    partner_id: UUID
    run_id: UUID
    member_id: UUID
    currency: str | None
    """Of its claims; None for what was handed over before that was kept."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A partner that said something new."""

    tenant_id: UUID
    partner_id: UUID
    api: Api


# Sorted, so that two instances that are told the same at once do not wait for each other.
_INSERT = text(
    """
    INSERT INTO callbacks (callback_id, tenant_id, partner_id, webhook_id, headers, body,
                           received_at, status, reason, told, handled_at, correlation_id,
                           traceparent)
    SELECT callback_id, tenant_id, partner_id, webhook_id, CAST(headers AS jsonb), body,
           received_at, status, reason, told,
           CASE WHEN status <> 'RECEIVED' THEN received_at END, correlation_id, traceparent
    FROM unnest(CAST(:callback_ids AS uuid[]), CAST(:tenant_ids AS uuid[]),
                CAST(:partner_ids AS uuid[]), CAST(:webhook_ids AS text[]),
                CAST(:headers AS text[]), CAST(:bodies AS bytea[]),
                CAST(:received_at AS timestamptz[]), CAST(:statuses AS text[]),
                CAST(:reasons AS text[]), CAST(:told AS text[]),
                CAST(:correlation_ids AS text[]), CAST(:traceparents AS text[]))
         AS new (callback_id, tenant_id, partner_id, webhook_id, headers, body, received_at,
                 status, reason, told, correlation_id, traceparent)
    ORDER BY tenant_id, partner_id, webhook_id, callback_id
    ON CONFLICT (tenant_id, partner_id, webhook_id) DO NOTHING
    RETURNING callback_id
    """
)
_FIRST_ANSWERS = text(
    """
    SELECT again.callback_id, coalesce(body_sha256, sha256(body)) AS body_sha256, told
    FROM unnest(CAST(:callback_ids AS uuid[]), CAST(:tenant_ids AS uuid[]),
                CAST(:partner_ids AS uuid[]), CAST(:webhook_ids AS text[]))
         AS again (callback_id, tenant_id, partner_id, webhook_id)
    JOIN callbacks USING (tenant_id, partner_id, webhook_id)
    """
)
# The partner's row is the lock under which its callbacks keep their order. Who has waited longest
# is first, so that no partner holds up the others by saying much.
_LOCK_PARTNER_WITH_DUE = text(
    """
    SELECT tenant_id, partner_id, api
    FROM partners CROSS JOIN LATERAL (
        SELECT callback_id FROM callbacks
        WHERE status = 'RECEIVED' AND callbacks.tenant_id = partners.tenant_id
          AND callbacks.partner_id = partners.partner_id
        ORDER BY callback_id
        LIMIT 1
    ) AS oldest
    WHERE partner_id <> ALL (CAST(:not_these AS uuid[]))
    ORDER BY oldest.callback_id
    LIMIT 1
    FOR NO KEY UPDATE OF partners SKIP LOCKED
    """
)
_DUE = text(
    """
    SELECT callback_id, tenant_id, partner_id, webhook_id, body, received_at, correlation_id,
           traceparent
    FROM callbacks
    WHERE status = 'RECEIVED' AND tenant_id = :tenant_id AND partner_id = :partner_id
    ORDER BY callback_id
    LIMIT :limit
    """
)
_WAITED_FOR = text(
    """
    SELECT DISTINCT waits_for FROM callbacks
    WHERE status = 'WAITING' AND tenant_id = :tenant_id AND partner_id = :partner_id
      AND waits_for = ANY (CAST(:ids AS uuid[]))
    """
)
_LOCK_CALLBACK = text(
    """
    SELECT status FROM callbacks
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND callback_id = :callback_id
    FOR UPDATE
    """
)
_SETTLE = text(
    """
    WITH decision AS (
        INSERT INTO callback_decisions (tenant_id, partner_id, callback_id, decision, decided_at,
                                        decided_by, comment)
        VALUES (:tenant_id, :partner_id, :callback_id,
                CASE :status WHEN 'RECEIVED' THEN 'RETRIED' ELSE 'DISMISSED' END, :now,
                :decided_by, :comment)
    )
    UPDATE callbacks
    SET status = :status, handled_at = :now,
        reason = CASE :status WHEN 'RECEIVED' THEN NULL ELSE reason END
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND callback_id = :callback_id
    """
)
# What cannot be forgotten has not acted.
_FORGET_BODIES = text(
    """
    UPDATE callbacks SET body_sha256 = sha256(body), body = NULL, headers = NULL
    WHERE callback_id IN (
        SELECT callback_id FROM callbacks
        WHERE body IS NOT NULL AND received_at < :kept_since
          AND status IN ('TRANSLATED', 'DISMISSED')
        ORDER BY received_at
        LIMIT :limit
        FOR UPDATE SKIP LOCKED)
    """
)
_HELD_CASES = text(
    """
    SELECT case_id, partner_id, run_id, member_id, currency FROM cases
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


async def insert_callbacks(connection: AsyncConnection, callbacks: Sequence[Callback]) -> set[UUID]:
    """Store callbacks; return the ids of the new ones.

    Left out is what came under a webhook id that the partner has used before, be it in the same
    call: of those the oldest is stored.
    """
    if not callbacks:
        return set()
    parameters = {
        **_webhook_ids(callbacks),
        "headers": [json.dumps(dict(callback.headers)) for callback in callbacks],
        "bodies": [callback.body for callback in callbacks],
        "received_at": [callback.received_at for callback in callbacks],
        "statuses": [callback.status for callback in callbacks],
        "reasons": [callback.reason for callback in callbacks],
        "told": [callback.told for callback in callbacks],
        "correlation_ids": [callback.cause.correlation_id for callback in callbacks],
        "traceparents": [callback.cause.traceparent for callback in callbacks],
    }
    return set((await connection.execute(_INSERT, parameters)).scalars())


async def first_answers(
    connection: AsyncConnection, callbacks: Sequence[Callback]
) -> dict[UUID, FirstAnswer]:
    """Return what was answered to those that came first under the webhook ids, by callback id."""
    if not callbacks:
        return {}
    rows = await connection.execute(_FIRST_ANSWERS, _webhook_ids(callbacks))
    return {row.callback_id: FirstAnswer(row.body_sha256, row.told) for row in rows}


async def lock_partner_with_due_callbacks(
    connection: AsyncConnection, not_these: Sequence[UUID]
) -> Speaker | None:
    """Return another partner that said something new, and keep others off it; None: there is none.

    Looks at all tenants: this is work, not somebody's question.
    """
    row = (await connection.execute(_LOCK_PARTNER_WITH_DUE, {"not_these": not_these})).one_or_none()
    return None if row is None else Speaker(row.tenant_id, row.partner_id, Api(row.api))


async def due_callbacks(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, limit: int
) -> Sequence[Callback]:
    """Return what a partner said that can be looked at now, in the order in which it came."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id, "limit": limit}
    return [_callback(row) for row in await connection.execute(_DUE, parameters)]


async def waited_for(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, ids: Sequence[UUID]
) -> set[UUID]:
    """Return those cases and runs of `ids` for which something that the partner said waits.

    What it says of them later must wait behind that, or it would act first.
    """
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id, "ids": ids}
    return set((await connection.execute(_WAITED_FOR, parameters)).scalars())


async def lock_callback(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, callback_id: UUID
) -> Status | None:
    """Return what became of a callback and keep it so until the transaction ends."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id, "callback_id": callback_id}
    status = await connection.scalar(_LOCK_CALLBACK, parameters)
    return None if status is None else Status(status)


async def settle_callback(
    connection: AsyncConnection,
    tenant_id: UUID,
    partner_id: UUID,
    callback_id: UUID,
    *,
    status: Status,
    decided_by: str,
    comment: str | None,
    now: datetime,
) -> None:
    """Store what staff decided on a callback that the caller holds, and who did."""
    parameters = {
        "tenant_id": tenant_id,
        "partner_id": partner_id,
        "callback_id": callback_id,
        "status": status,
        "decided_by": decided_by,
        "comment": comment,
        "now": now,
    }
    await connection.execute(_SETTLE, parameters)


async def forget_bodies(connection: AsyncConnection, kept_since: datetime, limit: int) -> int:
    """Forget bodies and headers of what came before and has acted; return of how many."""
    parameters = {"kept_since": kept_since, "limit": limit}
    return (await connection.execute(_FORGET_BODIES, parameters)).rowcount


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


def _webhook_ids(callbacks: Sequence[Callback]) -> dict[str, Any]:
    return {
        "callback_ids": [callback.callback_id for callback in callbacks],
        "tenant_ids": [callback.cause.tenant_id for callback in callbacks],
        "partner_ids": [callback.partner_id for callback in callbacks],
        "webhook_ids": [callback.webhook_id for callback in callbacks],
    }


def _callback(row: Any) -> Callback:
    columns = row._asdict()
    cause = Cause(
        columns.pop("tenant_id"), columns.pop("correlation_id"), columns.pop("traceparent")
    )
    return Callback(**columns, cause=cause)
