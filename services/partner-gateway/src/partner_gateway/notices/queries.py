"""What the API shows of notices."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal
from partner_gateway.cases.ended_case import StopReason
from partner_gateway.notices.claim_change import ClaimChange
from partner_gateway.notices.notice import Kind, Status


class NoticeView(BaseModel):
    """Something that a partner must be told, and whether it was."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)

    notice_id: UUID
    partner_id: UUID
    partner_name: str
    case_id: UUID
    file_number: str | None
    """The partner's number of the case; null when it has none."""
    run_id: UUID
    run_booking_number: str | None
    """Readable number of the run; null when it is not known."""
    member_id: UUID
    booking_number: int | None
    """Number of the member within the run; null when it is not known."""
    studio_id: UUID
    kind: Kind
    """STOP: nothing may be collected any more. STUDIO_PAYMENT: something was paid at the studio.
    CLAIM_CHANGED: a claim was corrected, cancelled, or a payment at the studio taken back."""
    reason: StopReason | None
    """Why the partner must stop; null for another kind, and where it was not kept."""
    claim_change: ClaimChange | None
    """What the partner must know of the claim; null for STOP."""
    voucher_id: UUID | None
    """Id of that claim within the handover; null when it is not known."""
    status: Status
    """DUE: not told yet. SENT: the partner's API was told, and has not acknowledged it.
    ACKNOWLEDGED: the partner knows. FAILED: its API refused it, see `last_error`."""
    due_on: date
    """The day by which the partner should know."""
    overdue_since: datetime | None
    """When that day was found to have passed without the partner's knowing; null when it knew."""
    by_hand: bool
    """Whether it is on staff to tell the partner; tick it off with `POST …/done`."""
    created_at: datetime
    tries: int
    """How often the partner's API was told."""
    next_try_at: datetime | None
    """When it is told again; null when it is not."""
    last_error: str | None
    """Why the last try failed, or how the partner's API refused it, as in HTTP 404."""
    refusal: str | None
    """Why its API says that it refused it; null when it did not say."""
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    """PARTNER or STAFF."""
    done_by: str | None
    """Who of staff ticked it off: subject of the token."""
    told_to: str | None
    """Who at the partner was told by staff."""
    comment: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which notices are asked for: those that have all of these; None: whatever it is."""

    status: Status | None = None
    kind: Kind | None = None
    partner_id: UUID | None = None
    case_id: UUID | None = None
    run_id: UUID | None = None
    overdue: bool | None = None
    by_hand: bool | None = None


# In the words of the partial indexes.
_IS_OVERDUE: Final = "(overdue_since IS NOT NULL AND status <> 'ACKNOWLEDGED')"
_IS_DUTY: Final = "(status = 'FAILED' OR status = 'DUE' AND request_id IS NULL)"
_IS_BY_HAND: Final = "(notices.request_id IS NULL OR notices.status = 'FAILED')"
# First the notices of a page, each list by its index; then what else is shown of them.
_VIEW = f"""
    SELECT notices.notice_id, notices.partner_id, partners.name AS partner_name, notices.case_id,
           file_number, notices.run_id, run_booking_number, notices.member_id, booking_number,
           notices.studio_id, notices.kind, notices.reason, claim_change,
           CAST(voucher_ids ->> CAST(claim_changes.claim_id AS text) AS uuid) AS voucher_id,
           notices.status, notices.due_on, overdue_since, {_IS_BY_HAND} AS by_hand,
           notices.created_at, coalesce(deliveries.tries, 0) AS tries,
           CASE WHEN deliveries.status = 'OPEN' THEN next_try_at END AS next_try_at,
           last_error, notices.refusal, acknowledged_at, acknowledged_by, done_by, told_to, comment
    FROM ({{page}}) AS notices
    JOIN partners ON partners.tenant_id = notices.tenant_id
                 AND partners.partner_id = notices.partner_id
    LEFT JOIN cases ON cases.tenant_id = notices.tenant_id
                   AND cases.case_id = notices.case_id
    LEFT JOIN deliveries ON deliveries.tenant_id = notices.tenant_id
                        AND deliveries.request_id = notices.request_id
    LEFT JOIN claim_changes ON claim_changes.tenant_id = notices.tenant_id
                           AND claim_changes.notice_id = notices.notice_id
    ORDER BY notices.notice_id
"""  # noqa: S608 - constants
_PAGE: Final = """
    SELECT * FROM notices
    WHERE tenant_id = :tenant_id AND {conditions}
    ORDER BY notice_id
    LIMIT :limit
"""
# Each studio has an index to read in order, and the first of all are the first of these.
_PAGE_OF_STUDIOS: Final = f"""
    SELECT of_studio.*
    FROM unnest(CAST(:studio_ids AS uuid[])) AS seen (studio_id) CROSS JOIN LATERAL (
        {_PAGE.format(conditions="studio_id = seen.studio_id AND {conditions}")}
    ) AS of_studio
    ORDER BY notice_id
    LIMIT :limit
"""  # noqa: S608 - constants
# PostgreSQL expects little of any tenant: it would collect all that is meant, and sort it. In the
# order of an index it reads no more than the page.
_READ_IN_ORDER: Final = text("SET LOCAL enable_bitmapscan = off")
# A kind that the planner sees would lead it to the index that keeps a case from two STOPs, and to
# sort all of these.
_CONDITIONS: Final = {
    "status": "status = :status",
    "kind": "kind = (SELECT CAST(:kind AS text))",
    "partner_id": "partner_id = :partner_id",
    "case_id": "case_id = :case_id",
    "run_id": "run_id = :run_id",
    "after": "notice_id > :after",
    "notice_ids": "notice_id = ANY (CAST(:notice_ids AS uuid[]))",
}


async def find_notices(
    connection: AsyncConnection, principal: Principal, notice_ids: Sequence[UUID]
) -> dict[UUID, NoticeView]:
    """Return those of the notices that the caller may see, by their id."""
    named = {"notice_ids": notice_ids}
    found = await _read(connection, principal, [], named, len(notice_ids))
    return {notice.notice_id: notice for notice in found}


async def list_notices(
    connection: AsyncConnection,
    principal: Principal,
    wanted: Wanted,
    *,
    after: UUID | None,
    limit: int,
) -> list[NoticeView]:
    """Return the notices behind `after` that the caller may see, oldest first."""
    given = {name: value for name, value in asdict(wanted).items() if value is not None}
    conditions = []
    for name, condition in (("overdue", _IS_OVERDUE), ("by_hand", _IS_BY_HAND)):
        if name in given:
            conditions.append(condition if given.pop(name) else f"NOT {condition}")
    if after is not None:
        given["after"] = after
    return await _read(connection, principal, conditions, given, limit)


async def list_duties(
    connection: AsyncConnection, principal: Principal, partner_id: UUID, limit: int
) -> list[NoticeView]:
    """Return what staff must tell a partner and have not, as far as they may see it; oldest first.

    At a partner with an API these are the notices that it refused.
    """
    return await _read(connection, principal, [_IS_DUTY], {"partner_id": partner_id}, limit)


async def _read(
    connection: AsyncConnection,
    principal: Principal,
    conditions: Sequence[str],
    given: Mapping[str, Any],
    limit: int,
) -> list[NoticeView]:
    """Return the oldest notices that the caller may see and that are as it is said.

    `conditions` are constants, `given` the values of columns. Only what is asked for stands in the
    query: so each list finds its index.
    """
    holds = " AND ".join((*conditions, *(_CONDITIONS[name] for name in given))) or "true"
    seen: dict[str, Any] = {"tenant_id": principal.tenant_id}
    page = _PAGE
    if principal.studio_ids is not None:
        page, seen["studio_ids"] = _PAGE_OF_STUDIOS, list(principal.studio_ids)
    query = text(_VIEW.format(page=page.format(conditions=holds))).columns(claim_change=JSONB)
    await connection.execute(_READ_IN_ORDER)
    rows = await connection.execute(query, {**seen, **given, "limit": limit})
    return [NoticeView.model_validate(row) for row in rows]
