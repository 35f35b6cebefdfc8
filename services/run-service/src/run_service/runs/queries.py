"""What the API reads of runs. A caller with few studios sees their part of a run only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.parts import Trigger
from kit import cursors
from kit.auth import Principal
from kit.cursors import Page
from kit.problems import not_found
from run_service.money import money_of
from run_service.runs.resources import RejectionReason, Run, RunDetails, RunStudio
from run_service.runs.run import RunStatus

# Booking numbers of a studio's members follow each other, so what is published of a studio follows
# from what is published of the run. Figures are asked for of the page's runs only.
_RUNS = text(
    """
    SELECT run.run_id, run.booking_number, run.status, run.trigger, run.partner_id,
           partner.name AS partner_name, run.partner_channel, run.collection_date,
           run.created_at, run.created_by, run.handed_over_at, run.rejected_at,
           run.reversal_requested_at, run.reversal_requested_by, run.reversal_reason,
           run.reversed_at,
           CASE WHEN run.partner_channel = 'API' AND run.status = 'IN_PROGRESS'
                     AND run.published = run.member_count
                THEN greatest(run.published_at, run.last_answer_at) END AS silent_since,
           seen.*, totals.*
    FROM (
        SELECT * FROM runs
        WHERE tenant_id = :tenant_id
          AND (CAST(:run_id AS uuid) IS NULL OR run_id = :run_id)
          AND (CAST(:status AS text) IS NULL OR status = :status)
          AND (CAST(:trigger AS text) IS NULL OR trigger = :trigger)
          AND (CAST(:partner_id AS uuid) IS NULL OR partner_id = :partner_id)
          AND (CAST(:first_day AS date) IS NULL OR collection_date >= :first_day)
          AND (CAST(:last_day AS date) IS NULL OR collection_date <= :last_day)
          AND (CAST(:before AS uuid) IS NULL OR run_id < :before)
          AND EXISTS (
              SELECT FROM run_studios AS part
              WHERE part.tenant_id = runs.tenant_id AND part.run_id = runs.run_id
                AND (CAST(:studio_ids AS uuid[]) IS NULL OR studio_id = ANY(:studio_ids))
                AND (CAST(:studio_id AS uuid) IS NULL OR studio_id = :studio_id))
        ORDER BY run_id DESC LIMIT :limit
    ) AS run
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
    ORDER BY run.run_id DESC
    """
)
# Only a refusal has a reason; of those there is an index.
_REJECTIONS = text(
    """
    SELECT reason_code, count(*) AS members FROM run_members
    WHERE tenant_id = :tenant_id AND run_id = :run_id AND reason_code IS NOT NULL
      AND (CAST(:studio_ids AS uuid[]) IS NULL OR studio_id = ANY(:studio_ids))
    GROUP BY reason_code ORDER BY count(*) DESC, reason_code
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
    trigger: Trigger | None = None
    partner_id: UUID | None = None
    studio_id: UUID | None = None
    """A studio that the run holds, among others."""


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
    parameters = {**keys(principal, None), **asdict(wanted), "before": before, "limit": limit + 1}
    rows = (await connection.execute(_RUNS, parameters)).all()
    more = cursors.encode([rows[limit - 1].run_id]) if len(rows) > limit else None
    return Page(items=[Run(**_values(row)) for row in rows[:limit]], next=more)


async def run(connection: AsyncConnection, principal: Principal, run_id: UUID) -> RunDetails:
    """Return a run (R6); raises the 404 for one that the caller may not see."""
    row = await find_run(connection, principal, run_id)
    reasons = await connection.execute(_REJECTIONS, keys(principal, run_id))
    return RunDetails(
        **_values(row),
        rejection_reasons=tuple(RejectionReason(**reason._mapping) for reason in reasons),
    )


async def run_studios(
    connection: AsyncConnection,
    principal: Principal,
    run_id: UUID,
    *,
    limit: int,
    cursor: str | None,
) -> Page[RunStudio]:
    """Return the studios of a run by booking number (R7); raises as `run` does."""
    await find_run(connection, principal, run_id)
    (after,) = cursors.decode(cursor, [cursors.Place]) if cursor else (0,)
    parameters = {**keys(principal, run_id), "after": after, "limit": limit + 1}
    rows = (await connection.execute(_STUDIOS, parameters)).all()
    more = cursors.encode([rows[limit - 1].first_booking_number]) if len(rows) > limit else None
    return Page(items=[RunStudio(**_values(row)) for row in rows[:limit]], next=more)


async def find_run(connection: AsyncConnection, principal: Principal, run_id: UUID) -> Row[Any]:
    """Return the row of a run; raises the 404 for one that the caller may not see."""
    parameters = {**keys(principal, run_id), **asdict(Wanted()), "before": None, "limit": 1}
    row = (await connection.execute(_RUNS, parameters)).one_or_none()
    if row is None:
        raise not_found()
    return row


def keys(principal: Principal, run_id: UUID | None) -> dict[str, object]:
    """Return what each statement on runs asks for: the tenant's, and of which studios."""
    studio_ids = None if principal.studio_ids is None else list(principal.studio_ids)
    return {"tenant_id": principal.tenant_id, "run_id": run_id, "studio_ids": studio_ids}


def _values(row: Row[Any]) -> Mapping[str, Any]:
    return {**row._mapping, "totals": money_of(row.totals)}
