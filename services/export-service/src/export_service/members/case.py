"""A case as its events tell of it: what was handed over, where it stands, its money. No I/O."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from contracts import (
    CaseCancelledV1,
    CaseClaimChangedV1,
    CaseClosedV1,
    CaseFileNumberSetV1,
    CaseHandedOverAgainV1,
    CaseOpenedV1,
    CasePaymentBookedV1,
    CasePaymentReallocatedV1,
    CasePaymentReducedV1,
    CaseRejectedV1,
    ClaimResult,
    ClaimShare,
    Money,
)

Key = tuple[UUID, UUID]
"""Tenant and case: what a case is known by."""

NOTHING: Final = Decimal("0.00")

CaseEvent = (
    CaseOpenedV1
    | CaseRejectedV1
    | CaseFileNumberSetV1
    | CasePaymentBookedV1
    | CasePaymentReducedV1
    | CasePaymentReallocatedV1
    | CaseClaimChangedV1
    | CaseHandedOverAgainV1
    | CaseClosedV1
    | CaseCancelledV1
)
"""What changes a case in the overview."""


class CaseRow(NamedTuple):
    """What was handed over of a case: a part of its row in the overview."""

    case_id: UUID
    run_id: UUID
    run_booking_number: str
    booking_number: int
    member_id: UUID
    studio_id: UUID
    studio_name: str
    partner_id: UUID
    name: str
    membership_number: str
    search_text: str
    collection_date: date
    currency: str
    handed_over: str
    """An amount, as its text: asyncpg takes four times as long to write an amount as such."""


class CaseStatus(StrEnum):
    """Where a case stands; nothing leads out of REJECTED, CLOSED and CANCELLED."""

    PENDING = "PENDING"
    OPEN = "OPEN"
    REJECTED = "REJECTED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


@dataclass(slots=True)
class Case:
    """What was told of one case, in the order of its events; all money in its currency.

    `open` is None until an event tells it: all that was handed over is open then. With its end a
    case lets go of what is open; what is open afterwards is open again, for staff.
    """

    status: CaseStatus = CaseStatus.PENDING
    file_number: str | None = None
    collected: Decimal = NOTHING
    open: Decimal | None = None
    result: str | None = None
    ended_at: datetime | None = None

    def follow(self, event: CaseEvent) -> None:
        """Takes in what happened next.

        What happened before the end of the case and comes behind it, as a dead letter that is
        replayed, is no news: the end has told what all of it added up to.
        """
        if (
            self.ended_at is not None
            and event.occurred_at <= self.ended_at
            and not isinstance(event, CaseFileNumberSetV1)
        ):
            return
        # Each class that an event is not of takes a microsecond: what all cases have comes first.
        match event:
            case CaseOpenedV1():
                if self.status is CaseStatus.PENDING:
                    self.status = CaseStatus.OPEN
                self.open = event.open.amount
            case CaseClosedV1():
                self.collected = event.collected.amount
                self.result = event.result
                self._end(CaseStatus.CLOSED, event.occurred_at)
            case CasePaymentBookedV1():
                self._collect(event.open, given=event.shares)
            case CaseFileNumberSetV1():
                self.file_number = event.file_number
            case CasePaymentReducedV1():
                self._collect(event.open, taken=event.shares)
            case CasePaymentReallocatedV1():
                self._collect(event.open, given=event.given, taken=event.taken)
            case CaseClaimChangedV1():
                self.open = event.case_open.amount
            case CaseHandedOverAgainV1():
                self.open = event.open.amount
            case CaseRejectedV1():
                self._end(CaseStatus.REJECTED, event.occurred_at)
            case CaseCancelledV1():
                self.collected = _sum(event.claims)
                self._end(CaseStatus.CANCELLED, event.occurred_at)

    def _collect(
        self,
        open_: Money,
        *,
        given: tuple[ClaimShare, ...] = (),
        taken: tuple[ClaimShare, ...] = (),
    ) -> None:
        self.collected += sum((share.amount.amount for share in given), NOTHING)
        self.collected -= sum((share.amount.amount for share in taken), NOTHING)
        self.open = open_.amount

    def _end(self, status: CaseStatus, at: datetime) -> None:
        self.status = status
        self.ended_at = at
        self.open = NOTHING


def _sum(claims: tuple[ClaimResult, ...]) -> Decimal:
    return sum((claim.collected.amount for claim in claims), NOTHING)
