"""A run: the states it goes through, and when."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final


class RunStatus(StrEnum):
    """IN_PROGRESS until each member has an answer; nothing leads out of REJECTED and CANCELLED."""

    IN_PROGRESS = "IN_PROGRESS"
    HANDED_OVER = "HANDED_OVER"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


class CaseStatus(StrEnum):
    """PENDING → OPEN → CLOSED or CANCELLED; PENDING → REJECTED; PENDING → CLOSED or CANCELLED.

    The last ones ended before the partner had answered.
    """

    PENDING = "PENDING"
    OPEN = "OPEN"
    REJECTED = "REJECTED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


OVER: Final = frozenset({RunStatus.REJECTED, RunStatus.CANCELLED})
"""The states that nothing leads out of."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of a run's members so far, in numbers of members."""

    members: int
    accepted: int
    """Taken by the partner, whether or not the case has ended since."""
    rejected: int
    """Refused by the partner."""
    unanswered: int
    """Ended before the partner had answered."""
    ended: int
    """Ended after the partner had taken them, or before it had answered."""
    reversed: int
    """Those of the ended that the run's reversal ended."""

    @property
    def answered(self) -> int:
        """Members on which nothing has to be waited for any more to call the run handed over."""
        return self.accepted + self.rejected + self.unanswered

    @property
    def not_ended(self) -> int:
        """Members whose case still goes on, or is still to begin."""
        return self.members - self.rejected - self.ended


def next_status(status: RunStatus, progress: Progress, *, reversal_requested: bool) -> RunStatus:
    """Return the status that a run has with this progress (R8, R10).

    Once its reversal is ordered, a run becomes CANCELLED and nothing else: the partner's yes to a
    member that is being taken back tells nobody that the run was handed over.
    """
    if status in OVER:
        return status
    if reversal_requested:
        return status if progress.not_ended else RunStatus.CANCELLED
    if status is RunStatus.HANDED_OVER or progress.answered < progress.members:
        return status
    return RunStatus.HANDED_OVER if progress.accepted else RunStatus.REJECTED


def booking_number(year: int, count: int) -> str:
    """Return the readable number of a run: the year and the tenant's count in it."""
    return f"{year:04}-{count:06}"


def three_months_before(day: date) -> date:
    """Return the same day three months earlier, or that month's last day (R5)."""
    months = day.year * 12 + day.month - 1 - 3
    year, month = months // 12, months % 12 + 1
    if year < date.min.year:
        return date.min
    return date(year, month, min(day.day, monthrange(year, month)[1]))
