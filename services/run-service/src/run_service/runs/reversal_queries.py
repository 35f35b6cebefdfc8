"""What the API reads of a run's reversal: what it would do, and how far it is (R10)."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal
from run_service.candidates.store import COLLECTED_SHARE
from run_service.money import money_of
from run_service.runs.member_queries import OPEN
from run_service.runs.queries import find_run, keys
from run_service.runs.resources import LegalDuty, ReversalOutlook

LEGAL_DUTY: Final = LegalDuty(
    de="Sie sind rechtlich verpflichtet, den Inkassopartner unverzüglich darüber zu informieren, "
    "dass der Inkassolauf rückgängig gemacht wird und keine Forderung daraus mehr einzuziehen ist.",
    en="You are legally obliged to inform the collection partner without delay that the run is "
    "reversed, and that none of its claims may be collected any more.",
)

# A case that has not ended holds its claims. Members that are still to be handed over owe what the
# preview showed.
_OPEN = text(
    f"""
    SELECT json_agg(json_build_array(amount::text, currency) ORDER BY currency) FROM (
        SELECT currency, sum(amount) AS amount FROM (
            SELECT claim.currency, {OPEN} AS amount
            FROM reservations AS reserved
            JOIN claims AS claim USING (tenant_id, claim_id)
            LEFT JOIN collected USING (tenant_id, claim_id)
            WHERE reserved.tenant_id = :tenant_id AND run_id = :run_id AND released_at IS NULL
              AND (CAST(:studio_ids AS uuid[]) IS NULL OR EXISTS (
                  SELECT FROM run_members AS member
                  WHERE member.tenant_id = reserved.tenant_id AND member.run_id = reserved.run_id
                    AND member.member_id = reserved.member_id AND studio_id = ANY(:studio_ids)))
            UNION ALL
            SELECT currency, total
            FROM runs JOIN preview_members USING (tenant_id, preview_id)
            WHERE tenant_id = :tenant_id AND run_id = :run_id
              AND published < member_count AND place > last_place AND NOT left_out
              AND (CAST(:studio_ids AS uuid[]) IS NULL OR studio_id = ANY(:studio_ids))
        ) AS owed
        GROUP BY currency
    ) AS by_currency
    """  # noqa: S608 - constants
)
_COLLECTED = text(
    f"""
    SELECT json_agg(json_build_array(amount::text, currency) ORDER BY currency) FROM (
        SELECT currency, sum(share.amount) AS amount
        FROM run_members AS member JOIN collected_shares AS share USING (tenant_id, case_id)
        WHERE tenant_id = :tenant_id AND run_id = :run_id AND {COLLECTED_SHARE}
          AND (CAST(:studio_ids AS uuid[]) IS NULL OR studio_id = ANY(:studio_ids))
        GROUP BY currency
    ) AS by_currency
    """  # noqa: S608 - constants
)


async def reversal_outlook(
    connection: AsyncConnection, principal: Principal, run_id: UUID
) -> ReversalOutlook:
    """Return what reversing a run does (R10); raises as `queries.run` does."""
    row = await find_run(connection, principal, run_id)
    parameters = keys(principal, run_id)
    return ReversalOutlook(
        run_id=run_id,
        status=row.status,
        members=row.members,
        cases_not_ended=row.members - row.rejected - row.ended,
        open=money_of(await connection.scalar(_OPEN, parameters)),
        cases_ended=row.ended,
        cases_rejected=row.rejected,
        collected=money_of(await connection.scalar(_COLLECTED, parameters)),
        reversal_requested_at=row.reversal_requested_at,
        reversal_requested_by=row.reversal_requested_by,
        reversal_reason=row.reversal_reason,
        reversed_at=row.reversed_at,
        legal_duty=LEGAL_DUTY,
    )
