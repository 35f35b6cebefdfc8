"""A run as an export sees it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class RunStudio:
    """One studio's part of a run; `totals` are amounts to collect, by currency."""

    studio_id: UUID
    name: str
    member_count: int
    claim_count: int
    totals: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Run:
    """A run, or the part of it that some studios have: counts and sums are those of `studios`."""

    booking_number: str
    partner_id: UUID
    trigger: str
    collection_date: date
    created_at: datetime
    studios: Sequence[RunStudio]

    @property
    def member_count(self) -> int:
        """Members handed over."""
        return sum(studio.member_count for studio in self.studios)

    @property
    def claim_count(self) -> int:
        """Claims handed over: the rows of the export."""
        return sum(studio.claim_count for studio in self.studios)

    @property
    def totals(self) -> dict[str, Decimal]:
        """What is to be collected, by currency."""
        totals: defaultdict[str, Decimal] = defaultdict(Decimal)
        for studio in self.studios:
            for currency, amount in studio.totals.items():
                totals[currency] += amount
        return dict(sorted(totals.items()))
