"""A case: one member of one run at the partner. Its states and its money, without any I/O.

    PENDING ──> OPEN ──> CLOSED | CANCELLED
       │─────> REJECTED
       └─────> CLOSED, only when the run is reversed

Nothing leads out of CLOSED, CANCELLED and REJECTED. Money that a partner reports on such a case
stays on it, unallocated.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from case_service.payments.allocation import (
    NOTHING,
    Allocation,
    OpenClaim,
    allocate_oldest_first,
    take_back_newest_first,
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
    """A claim in a case. Invariant: `open` = `handed_over` − `collected`, none below zero."""

    handed_over: Decimal
    collected: Decimal


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
    status: Status
    claims: list[Claim]
    unallocated: Decimal = NOTHING
    file_number: str | None = None
    reason_code: str | None = None
    close_reason: CloseReason | None = None
    result: Result | None = None
    opened_at: datetime | None = None
    ended_at: datetime | None = None
    version: int = 1

    @property
    def key(self) -> Key:
        """Return what the case is known by."""
        return self.tenant_id, self.case_id

    @property
    def open(self) -> Decimal:
        """Return what is still open on all claims."""
        return sum((claim.open for claim in self.claims), NOTHING)

    @property
    def collected(self) -> Decimal:
        """Return what was collected on all claims in this case."""
        return sum((claim.collected for claim in self.claims), NOTHING)

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
        self.status = Status.REJECTED
        self.reason_code = reason_code
        self.ended_at = at
        return True

    def set_file_number(self, file_number: str) -> bool:
        """Set the partner's number, also after the end; say whether it is another one now."""
        if self.file_number == file_number:
            return False
        self.file_number = file_number
        return True

    def allocate(self, amount: Decimal) -> Allocation:
        """Say where `amount` would go: oldest claim first, all of it unallocated after the end.

        Raises `WrongStatus` before the partner has taken the case.
        """
        if self.status is Status.PENDING:
            raise WrongStatus(self.status)
        claims = self.claims if self.status is Status.OPEN else []
        return allocate_oldest_first(claims, amount)

    def book(self, allocation: Allocation) -> None:
        """Take in a payment that is spread like this; raises `ValueError` below zero."""
        for share in allocation.shares:
            claim = self.claim(share.claim_id)
            if share.amount > claim.open:
                raise ValueError("a share is larger than its claim")
            claim.open -= share.amount
            claim.collected += share.amount
        self.unallocated += allocation.unallocated

    def take_back(self, booked: Allocation, amount: Decimal) -> Allocation:
        """Shrink a payment by `amount`; say what was taken back. Also right after the end."""
        taken = take_back_newest_first(booked, amount)
        for share in taken.shares:
            claim = self.claim(share.claim_id)
            claim.open += share.amount
            claim.collected -= share.amount
        self.unallocated -= taken.unallocated
        return taken

    def complete(self, at: datetime) -> None:
        """Close an open case for good, paid or not; raises `WrongStatus` for any other."""
        if self.status is not Status.OPEN:
            raise WrongStatus(self.status)
        self._close(CloseReason.COMPLETED, at)

    def reverse(self, at: datetime) -> bool:
        """Close the case because its run is reversed; say whether it had not ended before."""
        if not self.is_live:
            return False
        self._close(CloseReason.RUN_REVERSED, at)
        return True

    def cancel(self, at: datetime) -> None:
        """Take an open case back from the partner; raises `WrongStatus` for any other."""
        if self.status is not Status.OPEN:
            raise WrongStatus(self.status)
        self.status = Status.CANCELLED
        self.ended_at = at

    def _close(self, reason: CloseReason, at: datetime) -> None:
        self.status = Status.CLOSED
        self.close_reason = reason
        self.result = result_of(self.open, self.collected)
        self.ended_at = at


def result_of(open_amount: Decimal, collected: Decimal) -> Result:
    """Name the outcome of a case that ends with this much open and this much collected."""
    if not open_amount:
        return Result.PAID
    return Result.PARTLY_PAID if collected else Result.UNPAID
