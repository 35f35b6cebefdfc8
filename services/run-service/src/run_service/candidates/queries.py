"""What the API reads of candidates."""

from collections import Counter
from collections.abc import Iterable
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Money
from run_service.candidates.selection import LeftOut, Scope, SummaryRow, summarize
from run_service.money import sums_of
from run_service.resources import CandidatesSummary, LeftOutCandidates, StudioCandidates


async def summary(connection: AsyncConnection, scope: Scope) -> CandidatesSummary:
    """Return who can be handed over, by studio and in all (R1)."""
    rows = await summarize(connection, scope)
    ready = [row for row in rows if row.left_out_reason is None]
    left_out: Counter[str] = Counter()
    for row in rows:
        if row.left_out_reason is not None:
            left_out[row.left_out_reason] += row.members
    return CandidatesSummary(
        members=sum(row.members for row in ready),
        claims=sum(row.claims for row in ready),
        totals=_totals(ready),
        studios=tuple(
            _studio(list(same)) for _, same in groupby(ready, key=lambda row: row.studio_id)
        ),
        left_out=tuple(
            LeftOutCandidates(reason=LeftOut(reason), members=count)
            for reason, count in sorted(left_out.items())
        ),
    )


def _studio(rows: list[SummaryRow]) -> StudioCandidates:
    return StudioCandidates(
        studio_id=rows[0].studio_id,
        name=rows[0].name,
        members=sum(row.members for row in rows),
        claims=sum(row.claims for row in rows),
        totals=_totals(rows),
    )


def _totals(rows: Iterable[SummaryRow]) -> tuple[Money, ...]:
    return sums_of(
        Money(amount=row.total, currency=row.currency)
        for row in rows
        if row.total is not None and row.currency is not None
    )
