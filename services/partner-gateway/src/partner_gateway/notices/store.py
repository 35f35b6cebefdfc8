"""All SQL that changes notices and what they say."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.ids import new_id
from kit.trace import Cause
from partner_gateway.notices.claim_change import ClaimChange
from partner_gateway.notices.notice import CaseNotice, Status

_INSERT_CHANGES = text(
    """
    INSERT INTO claim_changes (notice_id, tenant_id, partner_id, case_id, run_id, member_id,
                               studio_id, claim_id, snapshot_sequence, claim_change, due_on, told,
                               correlation_id, traceparent)
    SELECT new.notice_id, new.tenant_id, new.partner_id, new.case_id, new.run_id, new.member_id,
           new.studio_id, CAST(claim_change ->> 'claim_id' AS uuid),
           CAST(claim_change ->> 'snapshot_sequence' AS bigint), claim_change, due_on, :told,
           new.correlation_id, new.traceparent
    FROM unnest(CAST(:notice_ids AS uuid[]), CAST(:tenant_ids AS uuid[]),
                CAST(:partner_ids AS uuid[]), CAST(:case_ids AS uuid[]), CAST(:run_ids AS uuid[]),
                CAST(:member_ids AS uuid[]), CAST(:studio_ids AS uuid[]),
                CAST(:claim_changes AS jsonb[]), CAST(:due_on AS date[]),
                CAST(:correlation_ids AS text[]), CAST(:traceparents AS text[]))
         WITH ORDINALITY
         AS new (notice_id, tenant_id, partner_id, case_id, run_id, member_id, studio_id,
                 claim_change, due_on, correlation_id, traceparent, place)
    WHERE NOT EXISTS (
        SELECT FROM cases
        WHERE cases.tenant_id = new.tenant_id AND cases.case_id = new.case_id
          AND ended_at IS NOT NULL)
    ORDER BY place
    ON CONFLICT (tenant_id, case_id, claim_id, snapshot_sequence) DO NOTHING
    RETURNING notice_id
    """
)
# The case is what is locked, not the change: so nobody tells a later one of the case meanwhile.
_HOLD_CASES_WITH_CHANGES = text(
    """
    SELECT tenant_id, case_id FROM cases
    WHERE tenant_id = :tenant_id AND request_id IS NOT NULL
      AND case_id = ANY (ARRAY(
          SELECT case_id FROM claim_changes
          WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND NOT told))
    ORDER BY case_id
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
    """
)
_TAKE_CHANGES = text(
    """
    UPDATE claim_changes AS change SET told = true
    FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:case_ids AS uuid[]))
         AS held (tenant_id, case_id)
    WHERE change.tenant_id = held.tenant_id AND change.case_id = held.case_id AND NOT told
    RETURNING arrival, change.notice_id, change.tenant_id, change.partner_id, change.case_id,
              change.run_id, change.member_id, change.studio_id, change.due_on, change.claim_change,
              change.correlation_id, change.traceparent
    """
).columns(claim_change=JSONB)
_INSERT_NOTICES = text(
    """
    INSERT INTO notices (notice_id, tenant_id, partner_id, case_id, run_id, member_id, studio_id,
                         kind, reason, status, due_on, created_at, correlation_id, traceparent)
    SELECT new.notice_id, new.tenant_id, new.partner_id, new.case_id, new.run_id, new.member_id,
           new.studio_id, new.kind, new.reason, 'DUE', new.due_on, :now, new.correlation_id,
           new.traceparent
    FROM unnest(CAST(:notice_ids AS uuid[]), CAST(:tenant_ids AS uuid[]),
                CAST(:partner_ids AS uuid[]), CAST(:case_ids AS uuid[]), CAST(:run_ids AS uuid[]),
                CAST(:member_ids AS uuid[]), CAST(:studio_ids AS uuid[]), CAST(:kinds AS text[]),
                CAST(:reasons AS text[]), CAST(:due_on AS date[]),
                CAST(:correlation_ids AS text[]), CAST(:traceparents AS text[]))
         AS new (notice_id, tenant_id, partner_id, case_id, run_id, member_id, studio_id, kind,
                 reason, due_on, correlation_id, traceparent)
    ON CONFLICT (tenant_id, case_id) WHERE kind = 'STOP' DO NOTHING
    """
)
_FIND_STORED = text(
    """
    SELECT notice_id FROM notices
    JOIN unnest(CAST(:tenant_ids AS uuid[]), CAST(:notice_ids AS uuid[]))
         AS named (tenant_id, notice_id) USING (tenant_id, notice_id)
    """
)
# The delivery comes first, its notice then names it. Each waits for what was sent before it about
# the same case.
_INSERT_DELIVERIES = text(
    """
    INSERT INTO deliveries (request_id, tenant_id, partner_id, kind, status, after_request_id,
                            tries, next_try_at, created_at, correlation_id, traceparent)
    SELECT new.request_id, notices.tenant_id, notices.partner_id, 'NOTICE', 'OPEN',
           coalesce(lag(new.request_id) OVER same_case, cases.last_request_id, cases.request_id),
           0, :now, :now, notices.correlation_id, notices.traceparent
    FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:notice_ids AS uuid[]),
                CAST(:request_ids AS uuid[]))
         WITH ORDINALITY AS new (tenant_id, notice_id, request_id, place)
    JOIN notices ON notices.tenant_id = new.tenant_id AND notices.notice_id = new.notice_id
    JOIN cases ON cases.tenant_id = notices.tenant_id AND cases.case_id = notices.case_id
    WINDOW same_case AS (PARTITION BY cases.tenant_id, cases.case_id ORDER BY new.place)
    """
)
_KEEP_ORDER = text(
    """
    UPDATE cases SET last_request_id = last.request_id
    FROM (
        SELECT DISTINCT ON (notices.tenant_id, case_id) notices.tenant_id, case_id, new.request_id
        FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:notice_ids AS uuid[]),
                    CAST(:request_ids AS uuid[]))
             WITH ORDINALITY AS new (tenant_id, notice_id, request_id, place)
        JOIN notices ON notices.tenant_id = new.tenant_id AND notices.notice_id = new.notice_id
        ORDER BY notices.tenant_id, case_id, new.place DESC
    ) AS last
    WHERE cases.tenant_id = last.tenant_id AND cases.case_id = last.case_id
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
_COLUMNS = """notices.notice_id, notices.tenant_id, partner_id, case_id, run_id, member_id,
              studio_id, kind, status, due_on, request_id, correlation_id, traceparent"""
_LOCK = text(
    f"""
    SELECT {_COLUMNS} FROM notices
    WHERE tenant_id = :tenant_id AND notice_id = ANY (CAST(:notice_ids AS uuid[]))
    ORDER BY notice_id
    FOR NO KEY UPDATE
    """  # noqa: S608 - constants
)
_LOCK_OF_DELIVERY = text(
    f"""
    SELECT {_COLUMNS} FROM notices
    WHERE tenant_id = :tenant_id AND request_id = :request_id
    FOR NO KEY UPDATE
    """  # noqa: S608 - constants
)
_SET_STATUS = text(
    """
    UPDATE notices SET status = :status, refusal = :refusal
    WHERE tenant_id = :tenant_id AND notice_id = :notice_id
    """
)
_REOPEN = text(
    """
    UPDATE notices SET status = 'SENT', refusal = NULL
    WHERE tenant_id = :tenant_id AND request_id = :request_id AND status = 'FAILED'
    """
)
_ACKNOWLEDGE = text(
    """
    UPDATE notices
    SET status = 'ACKNOWLEDGED', acknowledged_at = :now, acknowledged_by = :acknowledged_by,
        done_by = :done_by, told_to = :told_to, comment = :comment
    WHERE tenant_id = :tenant_id AND notice_id = ANY (CAST(:notice_ids AS uuid[]))
    """
)
_MARK_OVERDUE = text(
    f"""
    WITH late AS (
        SELECT tenant_id, notice_id FROM notices
        WHERE due_on < :today AND overdue_since IS NULL AND status <> 'ACKNOWLEDGED'
        ORDER BY due_on
        LIMIT :limit
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE notices SET overdue_since = :now
    FROM late
    WHERE notices.tenant_id = late.tenant_id AND notices.notice_id = late.notice_id
    RETURNING {_COLUMNS}
    """  # noqa: S608 - constants
)


async def insert_changes(
    connection: AsyncConnection, changes: Sequence[CaseNotice], *, told: bool
) -> set[UUID]:
    """Store what notices are to say, in order; return the ids of those notices that are new.

    What is known of a claim by its sequence is left out, and what changed after a case had ended.
    `told`: the caller makes the notices; else `take_changes` gives them out when their time comes.
    """
    if not changes:
        return set()
    rows = await connection.execute(
        _INSERT_CHANGES,
        {
            **_columns(changes),
            "claim_changes": [
                change.claim_change and change.claim_change.model_dump_json() for change in changes
            ],
            "told": told,
        },
    )
    return {row.notice_id for row in rows}


async def hold_cases_with_changes(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, limit: int
) -> set[tuple[UUID, UUID]]:
    """Lock cases that were sent and have changes to be told; return tenant and case of each."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id, "limit": limit}
    rows = await connection.execute(_HOLD_CASES_WITH_CHANGES, parameters)
    return {(row.tenant_id, row.case_id) for row in rows}


async def take_changes(
    connection: AsyncConnection, cases: Collection[tuple[UUID, UUID]]
) -> list[CaseNotice]:
    """Return the notices to be made for partners with an API, oldest first; each is given once.

    The caller holds the cases (tenant and case).
    """
    if not cases:
        return []
    tenant_ids, case_ids = (list(column) for column in zip(*cases, strict=True))
    rows = await connection.execute(_TAKE_CHANGES, {"tenant_ids": tenant_ids, "case_ids": case_ids})
    return [_told(row) for row in sorted(rows, key=lambda row: row.arrival)]


async def insert_notices(
    connection: AsyncConnection, notices: Sequence[CaseNotice], now: datetime
) -> Sequence[CaseNotice]:
    """Store notices and the deliveries of those that have one; return the notices that are new.

    A case has one STOP, however often its end is told.
    """
    columns = _columns(notices)
    stored = await connection.execute(
        _INSERT_NOTICES,
        {
            **columns,
            "kinds": [notice.kind for notice in notices],
            "reasons": [notice.reason for notice in notices],
            "now": now,
        },
    )
    if stored.rowcount < len(notices):
        named = {name: columns[name] for name in ("tenant_ids", "notice_ids")}
        rows = await connection.execute(_FIND_STORED, named)
        new = {row.notice_id for row in rows}
        notices = [notice for notice in notices if notice.notice_id in new]
    sent = [notice for notice in notices if notice.request_id is not None]
    if sent:
        await _insert_deliveries(connection, sent, now)
    return notices


async def _insert_deliveries(
    connection: AsyncConnection, sent: Sequence[CaseNotice], now: datetime
) -> None:
    """Store what is sent to partners with an API, each after what was sent of its case before."""
    pairs = {
        "tenant_ids": [notice.cause.tenant_id for notice in sent],
        "notice_ids": [notice.notice_id for notice in sent],
        "request_ids": [notice.request_id for notice in sent],
    }
    await connection.execute(_INSERT_DELIVERIES, {**pairs, "now": now})
    await connection.execute(_NAME_DELIVERIES, pairs)
    await connection.execute(_KEEP_ORDER, pairs)


async def lock_notices(
    connection: AsyncConnection, tenant_id: UUID, notice_ids: Sequence[UUID]
) -> list[CaseNotice]:
    """Return those of the notices that the tenant has, and keep others from changing them."""
    parameters = {"tenant_id": tenant_id, "notice_ids": notice_ids}
    return [_notice(row) for row in await connection.execute(_LOCK, parameters)]


async def lock_notice_of_delivery(
    connection: AsyncConnection, tenant_id: UUID, request_id: UUID
) -> CaseNotice:
    """Return the notice that a delivery tells, and keep others from changing it."""
    parameters = {"tenant_id": tenant_id, "request_id": request_id}
    return _notice((await connection.execute(_LOCK_OF_DELIVERY, parameters)).one())


async def set_status(
    connection: AsyncConnection, notice: CaseNotice, status: Status, refusal: str | None = None
) -> None:
    """Store that a notice was sent, or failed, and why the partner says that it refuses it."""
    parameters = {
        "tenant_id": notice.cause.tenant_id,
        "notice_id": notice.notice_id,
        "status": status,
        "refusal": refusal,
    }
    await connection.execute(_SET_STATUS, parameters)


async def reopen_notice(connection: AsyncConnection, tenant_id: UUID, request_id: UUID) -> bool:
    """Let the notice that a stopped delivery tells be SENT again.

    False when staff have told the partner by hand meanwhile: then nothing is left to be sent.
    """
    parameters = {"tenant_id": tenant_id, "request_id": request_id}
    return (await connection.execute(_REOPEN, parameters)).rowcount == 1


async def acknowledge(
    connection: AsyncConnection,
    tenant_id: UUID,
    notice_ids: Sequence[UUID],
    acknowledged_by: str,
    now: datetime,
    done_by: str | None = None,
    told_to: str | None = None,
    comment: str | None = None,
) -> None:
    """Store that the partner knows, and who of staff told whom there."""
    parameters = {
        "tenant_id": tenant_id,
        "notice_ids": notice_ids,
        "acknowledged_by": acknowledged_by,
        "done_by": done_by,
        "told_to": told_to,
        "comment": comment,
        "now": now,
    }
    await connection.execute(_ACKNOWLEDGE, parameters)


async def mark_overdue(
    connection: AsyncConnection, today: date, now: datetime, limit: int
) -> list[CaseNotice]:
    """Mark notices whose day is over, each once; return them, most overdue first.

    Looks at all tenants: this is work, not somebody's question.
    """
    parameters = {"today": today, "now": now, "limit": limit}
    rows = await connection.execute(_MARK_OVERDUE, parameters)
    return sorted(map(_notice, rows), key=lambda notice: (notice.due_on, notice.notice_id))


def _columns(notices: Sequence[CaseNotice]) -> dict[str, Any]:
    return {
        "notice_ids": [notice.notice_id for notice in notices],
        "tenant_ids": [notice.cause.tenant_id for notice in notices],
        "partner_ids": [notice.partner_id for notice in notices],
        "case_ids": [notice.case_id for notice in notices],
        "run_ids": [notice.run_id for notice in notices],
        "member_ids": [notice.member_id for notice in notices],
        "studio_ids": [notice.studio_id for notice in notices],
        "due_on": [notice.due_on for notice in notices],
        "correlation_ids": [notice.cause.correlation_id for notice in notices],
        "traceparents": [notice.cause.traceparent for notice in notices],
    }


def _told(row: Any) -> CaseNotice:
    """Return the notice that tells a change to a partner with an API."""
    change = ClaimChange.model_validate(row.claim_change)
    return CaseNotice(
        notice_id=row.notice_id,
        partner_id=row.partner_id,
        case_id=row.case_id,
        run_id=row.run_id,
        member_id=row.member_id,
        studio_id=row.studio_id,
        kind=change.kind,
        status=Status.DUE,
        due_on=row.due_on,
        request_id=new_id(),
        cause=Cause(row.tenant_id, row.correlation_id, row.traceparent),
        claim_change=change,
    )


def _notice(row: Any) -> CaseNotice:
    columns = row._asdict()
    cause = Cause(
        columns.pop("tenant_id"), columns.pop("correlation_id"), columns.pop("traceparent")
    )
    return CaseNotice(**{**columns, "status": Status(columns["status"])}, cause=cause)
