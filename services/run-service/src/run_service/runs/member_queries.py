"""What the API reads of the members of a run. Which they are is found before what they owe."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Money
from kit import cursors
from kit.auth import Principal
from kit.cursors import Page
from kit.problems import not_found
from run_service.candidates.search_text import search_words
from run_service.candidates.store import COLLECTED_SHARE
from run_service.runs.queries import find_run, keys
from run_service.runs.resources import RunClaim, RunMember, RunMemberDetails
from run_service.runs.run import CaseStatus
from run_service.tables import run_members as members

OPEN: Final = """
    CASE WHEN claim.cancelled THEN 0
         ELSE greatest(claim.amount - claim.paid_directly - coalesce(collected.amount, 0), 0) END
"""
"""What is open on a claim, in SQL: `claim` and `collected` are its rows."""

_OPEN_BY_MEMBER = text(
    f"""
    SELECT reserved.member_id, sum({OPEN}) AS open
    FROM reservations AS reserved
    JOIN claims AS claim USING (tenant_id, claim_id)
    LEFT JOIN collected USING (tenant_id, claim_id)
    WHERE reserved.tenant_id = :tenant_id AND reserved.run_id = :run_id
      AND reserved.member_id = ANY(CAST(:member_ids AS uuid[]))
    GROUP BY reserved.member_id
    """  # noqa: S608 - constants
)
_CLAIMS = text(
    f"""
    SELECT claim_id, voucher_id, kind, version.details ->> 'designation' AS designation,
           voucher_date, due_date, to_collect AS handed_over, {OPEN} AS open, released_at,
           (SELECT coalesce(sum(share.amount), 0) FROM collected_shares AS share
            WHERE share.tenant_id = claim.tenant_id AND share.claim_id = claim.claim_id
              AND share.case_id = :case_id AND {COLLECTED_SHARE}) AS collected
    FROM reservations AS reserved
    JOIN claims AS claim USING (tenant_id, claim_id)
    JOIN claim_snapshots AS version USING (tenant_id, claim_id, sequence)
    LEFT JOIN collected USING (tenant_id, claim_id)
    WHERE reserved.tenant_id = :tenant_id AND reserved.run_id = :run_id
      AND reserved.member_id = :member_id
    ORDER BY due_date, voucher_date, claim_id
    """  # noqa: S608 - constants
)


@dataclass(frozen=True, slots=True)
class WantedMembers:
    """Which members of a run are asked for; None means any."""

    search: str | None = None
    """Words that the name and the membership number hold together."""
    case_status: CaseStatus | None = None
    studio_id: UUID | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """The same, of the table's columns."""
        found = [
            func.strpos(members.c.search_text, word) > 0 for word in search_words(self.search or "")
        ]
        if self.case_status is not None:
            found.append(members.c.case_status == self.case_status.value)
        if self.studio_id is not None:
            found.append(members.c.studio_id == self.studio_id)
        return found


async def run_members(
    connection: AsyncConnection,
    principal: Principal,
    run_id: UUID,
    wanted: WantedMembers,
    *,
    limit: int,
    cursor: str | None,
) -> Page[RunMember]:
    """Return the members of a run by booking number (R6); raises as `queries.run` does."""
    await find_run(connection, principal, run_id)
    (after,) = cursors.decode(cursor, [cursors.Place]) if cursor else (0,)
    statement = (
        _members_of(principal, run_id)
        .where(members.c.booking_number > after, *wanted.conditions)
        .order_by(members.c.booking_number)
        .limit(limit + 1)
    )
    rows = (await connection.execute(statement)).all()
    opens = await _open_by_member(connection, principal, run_id, rows[:limit])
    more = cursors.encode([rows[limit - 1].booking_number]) if len(rows) > limit else None
    return Page(items=[RunMember(**values) for values in opens], next=more)


async def run_member(
    connection: AsyncConnection, principal: Principal, run_id: UUID, member_id: UUID
) -> RunMemberDetails:
    """Return a member of a run with its claims (R6).

    Raises the 404 for a run or a member that the caller may not see, or that is still to go.
    """
    await find_run(connection, principal, run_id)
    statement = _members_of(principal, run_id).where(members.c.member_id == member_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise not_found()
    (values,) = await _open_by_member(connection, principal, run_id, [row])
    claims = await connection.execute(
        _CLAIMS,
        {
            "tenant_id": principal.tenant_id,
            "run_id": run_id,
            "member_id": member_id,
            "case_id": row.case_id,
        },
    )
    return RunMemberDetails(
        **values,
        taken_in_by=row.taken_in_by,
        taken_in_as=row.taken_in_as,
        taken_in_reason=row.taken_in_reason,
        claims=tuple(_claim(claim, row.currency) for claim in claims),
    )


def _members_of(principal: Principal, run_id: UUID) -> Select[Any]:
    statement = select(members).where(
        members.c.tenant_id == principal.tenant_id, members.c.run_id == run_id
    )
    if principal.studio_ids is None:
        return statement
    return statement.where(members.c.studio_id.in_(principal.studio_ids))


async def _open_by_member(
    connection: AsyncConnection, principal: Principal, run_id: UUID, rows: Sequence[Row[Any]]
) -> list[dict[str, Any]]:
    """Return the values of members with what is open on their claims now."""
    member_ids = [row.member_id for row in rows]
    found = await connection.execute(
        _OPEN_BY_MEMBER, {**keys(principal, run_id), "member_ids": member_ids}
    )
    open_by_member = {row.member_id: row.open for row in found}
    return [
        {
            "member_id": row.member_id,
            "case_id": row.case_id,
            "booking_number": row.booking_number,
            "studio_id": row.studio_id,
            "membership_number": row.membership_number,
            "name": row.name,
            "handed_over": Money(amount=row.total, currency=row.currency),
            "open": Money(amount=open_by_member[row.member_id], currency=row.currency),
            "case_status": row.case_status,
            "reason_code": row.reason_code,
        }
        for row in rows
    ]


def _claim(row: Row[Any], currency: str) -> RunClaim:
    amounts = {
        name: Money(amount=getattr(row, name), currency=currency)
        for name in ("handed_over", "collected", "open")
    }
    return RunClaim(**{**row._mapping, **amounts}, in_collection=row.released_at is None)
