"""What the API reads of runs. A caller with few studios sees their part of a run only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Money
from kit import cursors
from kit.auth import Principal
from kit.cursors import Page
from kit.problems import not_found
from run_service.money import money_of
from run_service.runs.resources import (
    LegalDuty,
    RejectionReason,
    ReversalOutlook,
    Run,
    RunDetails,
    RunMember,
    RunStudio,
)
from run_service.runs.run import RunStatus

LEGAL_DUTY: Final = LegalDuty(
    de="Sie sind rechtlich verpflichtet, den Inkassopartner unverzüglich darüber zu informieren, "
    "dass der Inkassolauf rückgängig gemacht wird und keine Forderung daraus mehr einzuziehen ist.",
    en="You are legally obliged to inform the collection partner without delay that the run is "
    "reversed, and that none of its claims may be collected any more.",
)

# Booking numbers of a studio's members follow each other, so what is published of a studio follows
# from what is published of the run.
_RUNS = text(
    """
    SELECT run.run_id, run.booking_number, run.status, run.trigger, run.partner_id,
           partner.name AS partner_name, run.partner_channel, run.collection_date,
           run.created_at, run.created_by, run.handed_over_at, run.rejected_at,
           run.reversal_requested_at, run.reversed_at,
           seen.members, seen.claims, seen.published, seen.answered, seen.accepted,
           seen.rejected, seen.ended, totals.totals
    FROM runs AS run
    JOIN partners AS partner USING (tenant_id, partner_id)
    CROSS JOIN LATERAL (
        SELECT sum(member_count) AS members, sum(claim_count) AS claims,
               sum(greatest(0, least(member_count, run.published - first_booking_number + 1)))
                   AS published,
               sum(accepted + rejected + unanswered) AS answered, sum(accepted) AS accepted,
               sum(rejected) AS rejected, sum(ended) AS ended
        FROM run_studios
        WHERE tenant_id = run.tenant_id AND run_id = run.run_id
          AND (CAST(:studio_ids AS uuid[]) IS NULL OR studio_id = ANY(:studio_ids))
    ) AS seen
    CROSS JOIN LATERAL (
        SELECT json_agg(json_build_array(amount::text, currency) ORDER BY currency) AS totals
        FROM (SELECT currency, sum(amount) AS amount FROM run_studio_totals
              WHERE tenant_id = run.tenant_id AND run_id = run.run_id
                AND (CAST(:studio_ids AS uuid[]) IS NULL OR studio_id = ANY(:studio_ids))
              GROUP BY currency) AS by_currency
    ) AS totals
    WHERE run.tenant_id = :tenant_id AND seen.members > 0
      AND (CAST(:run_id AS uuid) IS NULL OR run.run_id = :run_id)
      AND (CAST(:status AS text) IS NULL OR run.status = :status)
      AND (CAST(:partner_id AS uuid) IS NULL OR run.partner_id = :partner_id)
      AND (CAST(:first_day AS date) IS NULL OR run.collection_date >= :first_day)
      AND (CAST(:last_day AS date) IS NULL OR run.collection_date <= :last_day)
      AND (CAST(:before AS uuid) IS NULL OR run.run_id < :before)
    ORDER BY run.run_id DESC LIMIT :limit
    """
)
_REJECTIONS = text(
    """
    SELECT reason_code, count(*) AS members FROM run_members
    WHERE tenant_id = :tenant_id AND run_id = :run_id AND status = 'REJECTED'
      AND (CAST(:studio_ids AS uuid[]) IS NULL OR studio_id = ANY(:studio_ids))
    GROUP BY reason_code ORDER BY count(*) DESC, reason_code
    """
)
_MEMBERS = text(
    """
    SELECT member_id, case_id, booking_number, studio_id, membership_number, name, currency,
           status, reason_code, owed.open
    FROM run_members AS member
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(greatest(
                   claim.amount - claim.paid_directly - coalesce(collected.amount, 0), 0
               )) FILTER (WHERE NOT claim.cancelled), 0) AS open
        FROM reservations AS reserved
        JOIN claims AS claim USING (tenant_id, claim_id)
        LEFT JOIN collected USING (tenant_id, claim_id)
        WHERE reserved.tenant_id = member.tenant_id AND reserved.run_id = member.run_id
          AND reserved.member_id = member.member_id
    ) AS owed
    WHERE tenant_id = :tenant_id AND run_id = :run_id AND booking_number > :after
      AND (CAST(:studio_ids AS uuid[]) IS NULL OR studio_id = ANY(:studio_ids))
    ORDER BY booking_number LIMIT :limit
    """
)
_STUDIOS = text(
    """
    SELECT studio_id, name, member_count AS members, claim_count AS claims,
           accepted + rejected + unanswered AS answered, accepted, rejected, ended,
           first_booking_number,
           (SELECT json_agg(json_build_array(amount::text, currency) ORDER BY currency)
            FROM run_studio_totals AS total
            WHERE total.tenant_id = studio.tenant_id AND total.run_id = studio.run_id
              AND total.studio_id = studio.studio_id) AS totals
    FROM run_studios AS studio
    WHERE tenant_id = :tenant_id AND run_id = :run_id AND first_booking_number > :after
      AND (CAST(:studio_ids AS uuid[]) IS NULL OR studio_id = ANY(:studio_ids))
    ORDER BY first_booking_number LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs are asked for; None means any."""

    first_day: date | None = None
    last_day: date | None = None
    status: RunStatus | None = None
    partner_id: UUID | None = None
    run_id: UUID | None = None


async def runs(
    connection: AsyncConnection,
    principal: Principal,
    wanted: Wanted,
    *,
    limit: int,
    cursor: str | None,
) -> Page[Run]:
    """Return runs, the newest first (R5)."""
    (before,) = cursors.decode(cursor, [UUID]) if cursor else (None,)
    rows = await _select_runs(connection, principal, wanted, before=before, limit=limit + 1)
    more = cursors.encode([rows[limit - 1].run_id]) if len(rows) > limit else None
    return Page(items=[Run(**_values(row)) for row in rows[:limit]], next=more)


async def run(connection: AsyncConnection, principal: Principal, run_id: UUID) -> RunDetails:
    """Return a run (R6); raises the 404 for one that the caller may not see."""
    row = await _find_run(connection, principal, run_id)
    reasons = await connection.execute(_REJECTIONS, _keys(principal, run_id))
    return RunDetails(
        **_values(row),
        rejection_reasons=tuple(RejectionReason(**reason._mapping) for reason in reasons),
    )


async def run_members(
    connection: AsyncConnection,
    principal: Principal,
    run_id: UUID,
    *,
    limit: int,
    cursor: str | None,
) -> Page[RunMember]:
    """Return the members of a run by booking number (R6); raises as `run` does."""
    await _find_run(connection, principal, run_id)
    (after,) = cursors.decode(cursor, [cursors.Place]) if cursor else (0,)
    rows = (
        await connection.execute(
            _MEMBERS, {**_keys(principal, run_id), "after": after, "limit": limit + 1}
        )
    ).all()
    more = cursors.encode([rows[limit - 1].booking_number]) if len(rows) > limit else None
    return Page(items=[_member(row) for row in rows[:limit]], next=more)


async def run_studios(
    connection: AsyncConnection,
    principal: Principal,
    run_id: UUID,
    *,
    limit: int,
    cursor: str | None,
) -> Page[RunStudio]:
    """Return the studios of a run by booking number (R7); raises as `run` does."""
    await _find_run(connection, principal, run_id)
    (after,) = cursors.decode(cursor, [cursors.Place]) if cursor else (0,)
    rows = (
        await connection.execute(
            _STUDIOS, {**_keys(principal, run_id), "after": after, "limit": limit + 1}
        )
    ).all()
    more = cursors.encode([rows[limit - 1].first_booking_number]) if len(rows) > limit else None
    return Page(items=[RunStudio(**_values(row)) for row in rows[:limit]], next=more)


async def reversal_outlook(
    connection: AsyncConnection, principal: Principal, run_id: UUID
) -> ReversalOutlook:
    """Return what reversing a run would do (R10); raises as `run` does."""
    row = await _find_run(connection, principal, run_id)
    return ReversalOutlook(
        run_id=run_id,
        status=RunStatus(row.status),
        cases_not_ended=row.members - row.rejected - row.ended,
        reversal_requested_at=row.reversal_requested_at,
        legal_duty=LEGAL_DUTY,
    )


async def _find_run(connection: AsyncConnection, principal: Principal, run_id: UUID) -> Row[Any]:
    found = await _select_runs(connection, principal, Wanted(run_id=run_id), before=None, limit=1)
    if not found:
        raise not_found()
    return found[0]


async def _select_runs(
    connection: AsyncConnection,
    principal: Principal,
    wanted: Wanted,
    *,
    before: UUID | None,
    limit: int,
) -> list[Row[Any]]:
    parameters = {
        **_keys(principal, wanted.run_id),
        "status": wanted.status,
        "partner_id": wanted.partner_id,
        "first_day": wanted.first_day,
        "last_day": wanted.last_day,
        "before": before,
        "limit": limit,
    }
    return list(await connection.execute(_RUNS, parameters))


def _keys(principal: Principal, run_id: UUID | None) -> dict[str, object]:
    studio_ids = None if principal.studio_ids is None else list(principal.studio_ids)
    return {"tenant_id": principal.tenant_id, "run_id": run_id, "studio_ids": studio_ids}


def _values(row: Row[Any]) -> Mapping[str, Any]:
    return {**row._mapping, "totals": money_of(row.totals)}


def _member(row: Row[Any]) -> RunMember:
    values = {name: value for name, value in row._mapping.items() if name != "currency"}
    return RunMember(**{**values, "open": Money(amount=row.open, currency=row.currency)})
