"""A run as an export sees it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self
from uuid import UUID


class RunStatus(StrEnum):
    """IN_PROGRESS until each member has an answer; CANCELLED once the run is reversed."""

    IN_PROGRESS = "IN_PROGRESS"
    HANDED_OVER = "HANDED_OVER"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class RunStudio:
    """One studio's part of a run: what was announced of it, and what has arrived.

    `totals` are amounts to collect, by currency. `name` is empty until a member has arrived.
    """

    studio_id: UUID
    name: str
    member_count: int
    claim_count: int
    totals: dict[str, Decimal]
    members_arrived: int
    claims_arrived: int

    @property
    def is_whole(self) -> bool:
        """Whether all that was announced has arrived, and nothing else."""
        arrived = (self.members_arrived, self.claims_arrived)
        return arrived == (self.member_count, self.claim_count)


@dataclass(frozen=True, slots=True)
class Run:
    """A run, or the part of it that some studios have: counts and sums are those of `studios`.

    Until the run is announced `created_at` is None, and all counts of what was announced are 0.
    """

    run_id: UUID
    booking_number: str
    partner_id: UUID
    trigger: str
    collection_date: date
    created_at: datetime | None
    handed_over_at: datetime | None
    rejected_at: datetime | None
    reversed_at: datetime | None
    accepted_count: int | None
    """Members that the partner took; None until each has an answer, and of a part of a run: it is
    only told of the whole."""
    rejected_count: int | None
    """Members that the partner refused; None where `accepted_count` is."""
    details_deleted_at: datetime | None
    studios: Sequence[RunStudio]

    @property
    def announced(self) -> bool:
        """Whether it is known how many members there will be."""
        return self.created_at is not None

    @property
    def status(self) -> RunStatus:
        """Where the run stands; it follows from what has happened, in whatever order it came."""
        if self.reversed_at is not None:
            return RunStatus.CANCELLED
        if self.handed_over_at is not None:
            return RunStatus.HANDED_OVER
        return RunStatus.IN_PROGRESS if self.rejected_at is None else RunStatus.REJECTED

    @property
    def member_count(self) -> int:
        """Members that were announced."""
        return sum(studio.member_count for studio in self.studios)

    @property
    def claim_count(self) -> int:
        """Claims that were announced: the rows of the export."""
        return sum(studio.claim_count for studio in self.studios)

    @property
    def is_whole(self) -> bool:
        """Whether it is announced, and has arrived with all its claims."""
        return self.announced and all(studio.is_whole for studio in self.studios)

    @property
    def details_deleted(self) -> bool:
        """Whether its rows are gone: they were kept for as long as they may be."""
        return self.details_deleted_at is not None

    @property
    def totals(self) -> dict[str, Decimal]:
        """What is to be collected, by currency."""
        totals: defaultdict[str, Decimal] = defaultdict(Decimal)
        for studio in self.studios:
            for currency, amount in studio.totals.items():
                totals[currency] += amount
        return dict(sorted(totals.items()))

    def narrowed_to(self, studio_id: UUID) -> Self:
        """The part of the run that one studio has."""
        return replace(
            self,
            accepted_count=None,
            rejected_count=None,
            studios=[studio for studio in self.studios if studio.studio_id == studio_id],
        )
