"""A case: one member of one run at the partner. Its states and its money, without any I/O.

    PENDING ──> OPEN ──> CLOSED | CANCELLED
       │─────> REJECTED
       └─────> CLOSED, only when the run is reversed

Nothing leads out of CLOSED, CANCELLED and REJECTED. With its end a case lets go of what is open on
its claims: it is written off or released, so 0.00 is open. Money that a partner reports afterwards
stays on the case, unallocated; a payment that shrinks afterwards opens its claims again, for staff.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

from case_service.payments.allocation import (
    NOTHING,
    Allocation,
    AllocationOrder,
    OpenClaim,
    allocate,
)

Key = tuple[UUID, UUID]
"""Tenant and case: what a case is known by."""


class Status(StrEnum):
    """Where a case stands."""

    PENDING = "PENDING"
    OPEN = "OPEN"
    REJECTED = "REJECTED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


LIVE = frozenset({Status.PENDING, Status.OPEN})
"""The states of a case that the partner works, or may come to work."""


class CloseReason(StrEnum):
    """Why a case was closed."""

    COMPLETED = "COMPLETED"
    RUN_REVERSED = "RUN_REVERSED"


class Result(StrEnum):
    """What the collection of a closed case came to."""

    PAID = "PAID"
    PARTLY_PAID = "PARTLY_PAID"
    UNPAID = "UNPAID"


class WrongStatus(Exception):  # noqa: N818 - says what is wrong
    """The case is not in a state that allows this."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"not possible in status {status}")
        self.status = status


@dataclass(slots=True)
class Claim(OpenClaim):
    """A claim in a case.

    Invariant: `open` = `handed_over` + `changed` − `collected` − `written_off` − `released`, and
    none but `changed` is ever below zero.
    """

    handed_over: Decimal
    changed: Decimal = NOTHING
    """What receivables made of it since: below zero when it is less, or was paid at the studio."""
    collected: Decimal = NOTHING
    written_off: Decimal = NOTHING
    released: Decimal = NOTHING
    """What went back to the creditor when the case ended."""

    def pay(self, amount: Decimal) -> None:
        """Take in a share of a payment; raises `ValueError` for more than is open."""
        if amount > self.open:
            raise ValueError("a share is larger than its claim")
        self.open -= amount
        self.collected += amount

    def take_back(self, amount: Decimal) -> None:
        """Open again by a part of what was collected; raises `ValueError` for more than that."""
        if amount > self.collected:
            raise ValueError("more is taken back than was collected")
        self.open += amount
        self.collected -= amount

    def change(self, difference: Decimal) -> None:
        """Owe more or less than before; raises `ValueError` below zero."""
        if self.open + difference < 0:
            raise ValueError("a claim falls below zero")
        self.open += difference
        self.changed += difference

    def release(self) -> Decimal:
        """Let go of all that is open; return how much that was."""
        amount = self.open
        self.released += amount
        self.open = NOTHING
        return amount

    def take_up(self, amount: Decimal) -> None:
        """Open again by a part of what was released; raises `ValueError` for more than that."""
        if amount > self.released:
            raise ValueError("more is taken up than was released")
        self.released -= amount
        self.open += amount

    def write_off(self) -> Decimal:
        """Give up all that is open; return how much that was."""
        amount = self.open
        self.written_off += amount
        self.open = NOTHING
        return amount


@dataclass(slots=True)
class Case:
    """One member of one run at the partner, with its claims; all money in `currency`."""

    tenant_id: UUID
    case_id: UUID
    run_id: UUID
    member_id: UUID
    studio_id: UUID
    partner_id: UUID
    collection_date: date
    currency: str
    time_zone: str
    """In which the days of its studio count; IANA."""
    status: Status
    claims: list[Claim]
    unallocated: Decimal = NOTHING
    file_number: str | None = None
    reason_code: str | None = None
    close_reason: CloseReason | None = None
    result: Result | None = None
    opened_at: datetime | None = None
    ended_at: datetime | None = None
    residual: Decimal | None = None
    """What was open when the case ended; None before."""
    version: int = 1

    @property
    def key(self) -> Key:
        """Return what the case is known by."""
        return self.tenant_id, self.case_id

    def day(self, at: datetime) -> date:
        """Return the day that it is at the studio at some moment, from the day of the handover on.

        That one is the tenant's, and may have begun there before it does at the studio.
        """
        return max(_day(at, self.time_zone), self.collection_date)

    @property
    def open(self) -> Decimal:
        """Return what is still open on all claims."""
        return sum([claim.open for claim in self.claims], NOTHING)

    @property
    def collected(self) -> Decimal:
        """Return what was collected on all claims in this case."""
        return sum([claim.collected for claim in self.claims], NOTHING)

    @property
    def written_off(self) -> Decimal:
        """Return what was given up on all claims."""
        return sum([claim.written_off for claim in self.claims], NOTHING)

    @property
    def is_live(self) -> bool:
        """Say whether the case has not ended."""
        return self.status in LIVE

    def claim(self, claim_id: UUID) -> Claim:
        """Return one claim; raises `KeyError` when the case has no such claim."""
        for claim in self.claims:
            if claim.claim_id == claim_id:
                return claim
        raise KeyError(claim_id)

    def accept(self, at: datetime) -> bool:
        """Open the case if it still waits for the partner's answer; say whether it did."""
        if self.status is not Status.PENDING:
            return False
        self.status = Status.OPEN
        self.opened_at = at
        return True

    def reject(self, reason_code: str, at: datetime) -> bool:
        """Refuse the case if it still waits for the partner's answer; say whether it did."""
        if self.status is not Status.PENDING:
            return False
        self.reason_code = reason_code
        self._end(Status.REJECTED, at, write_off=False)
        return True

    def set_file_number(self, file_number: str) -> bool:
        """Set the partner's number, also after the end; say whether it is another one now."""
        if self.file_number == file_number:
            return False
        self.file_number = file_number
        return True

    def allocate(self, amount: Decimal, order: AllocationOrder) -> Allocation:
        """Say where `amount` would go; all of it stays unallocated after the end.

        Raises `WrongStatus` before the partner has taken the case.
        """
        if self.status is Status.PENDING:
            raise WrongStatus(self.status)
        claims = self.claims if self.status is Status.OPEN else []
        return allocate(claims, amount, order)

    def book(self, allocation: Allocation) -> None:
        """Take in a payment that is spread like this; raises `ValueError` below zero."""
        for share in allocation.shares:
            self.claim(share.claim_id).pay(share.amount)
        self.unallocated += allocation.unallocated

    def complete(self, at: datetime, *, write_off: bool) -> None:
        """Close an open case for good, paid or not; raises `WrongStatus` for any other.

        What is still open is written off, or released: it stays owed to the creditor (R25).
        """
        if self.status is not Status.OPEN:
            raise WrongStatus(self.status)
        self._close(CloseReason.COMPLETED, at, write_off=write_off)

    def reverse(self, at: datetime) -> bool:
        """Close the case because its run is reversed; say whether it had not ended before."""
        if not self.is_live:
            return False
        self._close(CloseReason.RUN_REVERSED, at, write_off=False)
        return True

    def cancel(self, at: datetime) -> None:
        """Take an open case back from the partner; raises `WrongStatus` for any other."""
        if self.status is not Status.OPEN:
            raise WrongStatus(self.status)
        self._end(Status.CANCELLED, at, write_off=False)

    def _close(self, reason: CloseReason, at: datetime, *, write_off: bool) -> None:
        self._end(Status.CLOSED, at, write_off=write_off)
        self.close_reason = reason
        assert self.residual is not None
        self.result = result_of(self.residual, self.collected)

    def _end(self, status: Status, at: datetime, *, write_off: bool) -> None:
        self.status = status
        self.ended_at = at
        self.residual = self.open
        for claim in self.claims:
            if write_off:
                claim.write_off()
            else:
                claim.release()


@lru_cache(maxsize=100)
def _day(at: datetime, time_zone: str) -> date:
    """Return the day of a moment somewhere; all that is done at once has the same."""
    return at.astimezone(ZoneInfo(time_zone)).date()


def result_of(open_amount: Decimal, collected: Decimal) -> Result:
    """Name the outcome of a case that ends with this much open and this much collected."""
    if not open_amount:
        return Result.PAID
    return Result.PARTLY_PAID if collected else Result.UNPAID
