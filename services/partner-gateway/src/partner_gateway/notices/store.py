"""All SQL that changes notices, and marks cases as ended."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import CaseCancelledV1, CaseClosedV1
from kit.messages import Message
from kit.trace import Cause
from partner_gateway.notices.notice import CaseNotice, Status

Ended = Message[CaseClosedV1] | Message[CaseCancelledV1]

# One row per case is where its handover and its end meet, in whatever order they come: the row's
# lock decides who was first. An item that was never sent is forgotten, one that was is kept until
# its page is answered, for the page must stay the same.
_END_CASES = text(
    """
    INSERT INTO cases (tenant_id, case_id, partner_id, run_id, member_id, ended_at,
                       correlation_id, traceparent)
    SELECT tenant_id, case_id, partner_id, run_id, member_id, ended_at, correlation_id,
           traceparent
    FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:case_ids AS uuid[]),
                CAST(:partner_ids AS uuid[]), CAST(:run_ids AS uuid[]),
                CAST(:member_ids AS uuid[]), CAST(:ended_at AS timestamptz[]),
                CAST(:correlation_ids AS text[]), CAST(:traceparents AS text[]))
         AS ended (tenant_id, case_id, partner_id, run_id, member_id, ended_at, correlation_id,
                   traceparent)
    ORDER BY tenant_id, case_id
    ON CONFLICT (tenant_id, case_id) DO UPDATE
    SET ended_at = coalesce(cases.ended_at, excluded.ended_at),
        item = CASE WHEN cases.request_id IS NULL THEN NULL ELSE cases.item END
    RETURNING tenant_id, case_id, request_id
    """
)
_INSERT_NOTICES = text(
    """
    INSERT INTO notices (notice_id, tenant_id, partner_id, case_id, run_id, member_id, studio_id,
                         kind, status, due_on, created_at, correlation_id, traceparent)
    SELECT new.notice_id, new.tenant_id, new.partner_id, new.case_id, new.run_id, new.member_id,
           new.studio_id, new.kind, 'DUE', new.due_on, :now, new.correlation_id, new.traceparent
    FROM unnest(CAST(:notice_ids AS uuid[]), CAST(:tenant_ids AS uuid[]),
                CAST(:partner_ids AS uuid[]), CAST(:case_ids AS uuid[]), CAST(:run_ids AS uuid[]),
                CAST(:member_ids AS uuid[]), CAST(:studio_ids AS uuid[]), CAST(:kinds AS text[]),
                CAST(:due_on AS date[]), CAST(:correlation_ids AS text[]),
                CAST(:traceparents AS text[]))
         AS new (notice_id, tenant_id, partner_id, case_id, run_id, member_id, studio_id, kind,
                 due_on, correlation_id, traceparent)
    ON CONFLICT (tenant_id, case_id) WHERE kind = 'STOP' DO NOTHING
    RETURNING notice_id
    """
)
# The delivery comes first, its notice then names it.
_INSERT_DELIVERIES = text(
    """
    INSERT INTO deliveries (request_id, tenant_id, partner_id, kind, status, after_request_id,
                            tries, next_try_at, created_at, correlation_id, traceparent)
    SELECT new.request_id, notices.tenant_id, notices.partner_id, 'NOTICE', 'OPEN',
           cases.request_id, 0, :now, :now, notices.correlation_id, notices.traceparent
    FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:notice_ids AS uuid[]),
                CAST(:request_ids AS uuid[])) AS new (tenant_id, notice_id, request_id)
    JOIN notices ON notices.tenant_id = new.tenant_id AND notices.notice_id = new.notice_id
    JOIN cases ON cases.tenant_id = notices.tenant_id AND cases.case_id = notices.case_id
    """
)
_NAME_DELIVERIES = text(
    """
    UPDATE notices SET request_id = new.request_id
    FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:notice_ids AS uuid[]),
                CAST(:request_ids AS uuid[])) AS new (tenant_id, notice_id, request_id)
    WHERE notices.tenant_id = new.tenant_id AND notices.notice_id = new.notice_id
    """
)
_LOCK = """
    SELECT notice_id, tenant_id, partner_id, case_id, run_id, member_id, studio_id, kind, status,
           due_on, request_id, correlation_id, traceparent
    FROM notices
    WHERE tenant_id = :tenant_id AND {condition}
    FOR UPDATE
"""
_LOCK_ONE = text(_LOCK.format(condition="notice_id = :notice_id"))
_LOCK_OF_DELIVERY = text(_LOCK.format(condition="request_id = :request_id"))
_SET_STATUS = text(
    """
    UPDATE notices SET status = :status
    WHERE tenant_id = :tenant_id AND notice_id = :notice_id
    """
)
_ACKNOWLEDGE = text(
    """
    UPDATE notices
    SET status = 'ACKNOWLEDGED', acknowledged_at = :now, acknowledged_by = :acknowledged_by,
        done_by = :done_by, comment = :comment
    WHERE tenant_id = :tenant_id AND notice_id = :notice_id
    """
)


async def end_cases(
    connection: AsyncConnection, messages: Sequence[Ended]
) -> set[tuple[UUID, UUID]]:
    """Mark cases as ended, known or not; return tenant and case of those that were sent before.

    Sent means that a request with the case was stored to be sent: the partner may have it. What
    was not sent by now never is.
    """
    rows = await connection.execute(
        _END_CASES,
        {
            "tenant_ids": [message.tenant_id for message in messages],
            "case_ids": [message.event.case_id for message in messages],
            "partner_ids": [message.event.partner_id for message in messages],
            "run_ids": [message.event.run_id for message in messages],
            "member_ids": [message.event.member_id for message in messages],
            "ended_at": [message.event.occurred_at for message in messages],
            "correlation_ids": [message.correlation_id for message in messages],
            "traceparents": [message.traceparent for message in messages],
        },
    )
    return {(row.tenant_id, row.case_id) for row in rows if row.request_id is not None}


async def insert_notices(
    connection: AsyncConnection, notices: Sequence[CaseNotice], now: datetime
) -> set[UUID]:
    """Store notices and the deliveries of those that have one; return the ids that are new.

    A case has one STOP, however often its end is told.
    """
    if not notices:
        return set()
    rows = await connection.execute(
        _INSERT_NOTICES,
        {
            "notice_ids": [notice.notice_id for notice in notices],
            "tenant_ids": [notice.cause.tenant_id for notice in notices],
            "partner_ids": [notice.partner_id for notice in notices],
            "case_ids": [notice.case_id for notice in notices],
            "run_ids": [notice.run_id for notice in notices],
            "member_ids": [notice.member_id for notice in notices],
            "studio_ids": [notice.studio_id for notice in notices],
            "kinds": [notice.kind for notice in notices],
            "due_on": [notice.due_on for notice in notices],
            "correlation_ids": [notice.cause.correlation_id for notice in notices],
            "traceparents": [notice.cause.traceparent for notice in notices],
            "now": now,
        },
    )
    new = {row.notice_id for row in rows}
    sent = [
        notice for notice in notices if notice.request_id is not None and notice.notice_id in new
    ]
    pairs = {
        "tenant_ids": [notice.cause.tenant_id for notice in sent],
        "notice_ids": [notice.notice_id for notice in sent],
        "request_ids": [notice.request_id for notice in sent],
    }
    await connection.execute(_INSERT_DELIVERIES, {**pairs, "now": now})
    await connection.execute(_NAME_DELIVERIES, pairs)
    return new


async def lock_notice(
    connection: AsyncConnection, tenant_id: UUID, notice_id: UUID
) -> CaseNotice | None:
    """Return a tenant's notice and keep others from changing it."""
    parameters = {"tenant_id": tenant_id, "notice_id": notice_id}
    row = (await connection.execute(_LOCK_ONE, parameters)).one_or_none()
    return None if row is None else _notice(row)


async def lock_notice_of_delivery(
    connection: AsyncConnection, tenant_id: UUID, request_id: UUID
) -> CaseNotice:
    """Return the notice that a delivery tells, and keep others from changing it."""
    parameters = {"tenant_id": tenant_id, "request_id": request_id}
    return _notice((await connection.execute(_LOCK_OF_DELIVERY, parameters)).one())


async def set_status(connection: AsyncConnection, notice: CaseNotice, status: Status) -> None:
    """Store that a notice was sent, or failed."""
    parameters = {
        "tenant_id": notice.cause.tenant_id,
        "notice_id": notice.notice_id,
        "status": status,
    }
    await connection.execute(_SET_STATUS, parameters)


async def acknowledge(
    connection: AsyncConnection,
    notice: CaseNotice,
    acknowledged_by: str,
    now: datetime,
    done_by: str | None = None,
    comment: str | None = None,
) -> None:
    """Store that the partner knows, and who of staff says so."""
    parameters = {
        "tenant_id": notice.cause.tenant_id,
        "notice_id": notice.notice_id,
        "acknowledged_by": acknowledged_by,
        "done_by": done_by,
        "comment": comment,
        "now": now,
    }
    await connection.execute(_ACKNOWLEDGE, parameters)


def _notice(row: Any) -> CaseNotice:
    columns = row._asdict()
    cause = Cause(
        columns.pop("tenant_id"), columns.pop("correlation_id"), columns.pop("traceparent")
    )
    return CaseNotice(**{**columns, "status": Status(columns["status"])}, cause=cause)
