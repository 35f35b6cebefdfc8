"""What the API reads of candidates."""

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Money
from run_service.candidates.selection import CANDIDATES, LeftOut, Scope
from run_service.money import sums_of
from run_service.resources import CandidatesSummary, LeftOutCandidates, StudioCandidates

# OFFSET keeps the claims' arrays out of what is grouped.
_SUMMARY = text(
    f"""
    SELECT found.*, studio.name FROM (
        SELECT tenant_id, studio_id, currency, left_out_reason, count(*) AS members,
               sum(claim_count) AS claims, sum(total) AS total
        FROM (SELECT tenant_id, studio_id, currency, left_out_reason, total,
                     cardinality(claim_ids) AS claim_count
              FROM ({CANDIDATES}) AS found OFFSET 0) AS candidate
        GROUP BY tenant_id, studio_id, currency, left_out_reason
    ) AS found
    JOIN studios AS studio USING (tenant_id, studio_id)
    ORDER BY studio.name, studio_id, currency, left_out_reason
    """  # noqa: S608 - constants
)


async def summary(connection: AsyncConnection, scope: Scope) -> CandidatesSummary:
    """Return who can be handed over, and who is left out, by studio and in all (R1)."""
    rows = (await connection.execute(_SUMMARY, scope.parameters)).all()
    by_studio = groupby(rows, key=lambda row: row.studio_id)
    return CandidatesSummary(
        studios=tuple(
            StudioCandidates(studio_id=studio_id, name=same[0].name, **figures(same))
            for studio_id, same in ((studio_id, list(same)) for studio_id, same in by_studio)
        ),
        **figures(rows),
    )


def figures(rows: Iterable[Row[Any]]) -> dict[str, Any]:
    """Return the counts, the sums and who is left out, of rows by currency and reason."""
    ready = [row for row in rows if row.left_out_reason is None]
    left_out: Counter[LeftOut] = Counter()
    for row in rows:
        if row.left_out_reason is not None:
            left_out[LeftOut(row.left_out_reason)] += row.members
    return {
        "members": sum(row.members for row in ready),
        "claims": sum(row.claims for row in ready),
        "totals": sums_of(Money(amount=row.total, currency=row.currency) for row in ready),
        "left_out": tuple(
            LeftOutCandidates(reason=reason, members=count)
            for reason, count in sorted(left_out.items())
        ),
    }
