"""What the API reads of candidates."""

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Money
from run_service.candidates.selection import LeftOut, Scope, candidate_claims, candidates, same
from run_service.money import sums_of
from run_service.resources import CandidatesSummary, LeftOutCandidates, StudioCandidates
from run_service.tables import studios


async def summary(connection: AsyncConnection, scope: Scope) -> CandidatesSummary:
    """Return who can be handed over, by studio and in all (R1)."""
    found = candidates(candidate_claims(scope), scope)
    alike = (found.c.studio_id, studios.c.name, found.c.currency, found.c.left_out_reason)
    rows = (
        await connection.execute(
            select(
                *alike,
                func.count().label("members"),
                func.sum(found.c.claim_count).label("claims"),
                func.sum(found.c.total).label("total"),
            )
            .join(studios, same(studios, found, "tenant_id", "studio_id"))
            .group_by(*alike)
            .order_by(studios.c.name, found.c.studio_id, found.c.currency)
        )
    ).all()
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


def _studio(rows: list[Row[Any]]) -> StudioCandidates:
    return StudioCandidates(
        studio_id=rows[0].studio_id,
        name=rows[0].name,
        members=sum(row.members for row in rows),
        claims=sum(row.claims for row in rows),
        totals=_totals(rows),
    )


def _totals(rows: Iterable[Row[Any]]) -> tuple[Money, ...]:
    return sums_of(Money(amount=row.total, currency=row.currency) for row in rows)
