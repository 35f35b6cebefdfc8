"""Collection cases: one member of one run at the partner.

Ids and amounts only, kept for ever: no personal data and no free text. All amounts of one event
have one currency, the case's.
"""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from contracts.event import Contract, Event, ListOf
from contracts.money import Money, require_one_currency
from contracts.parts import MAX_CLAIMS, Actor, Code, Day, Identifier, Instant, Sequence, ShortText


class CaseEvent(Event):
    """Something that happened to a case."""

    TOPIC = "collection.case.v1"
    KEY = ("member_id",)

    case_id: UUID
    """Id of the case."""
    run_id: UUID
    """Run that handed the member over."""
    member_id: UUID
    """Member that the case is about."""
    studio_id: UUID
    """Studio to which is owed."""
    partner_id: UUID
    """Partner that works the case."""
    occurred_at: Instant
    """When this happened."""


class OpenClaim(Contract):
    """A claim of a case and what is open on it."""

    claim_id: UUID
    """Id of the claim."""
    open: Money
    """What is open on the claim now."""


class ClaimShare(Contract):
    """One claim's part in a payment or in its reduction."""

    claim_id: UUID
    """Id of the claim."""
    amount: Money
    """This claim's part: what was paid on it or, in a reduction, what was taken back."""
    open: Money
    """What is open on the claim after that."""


class ClaimResult(Contract):
    """What became of one claim of a case."""

    claim_id: UUID
    """Id of the claim."""
    collected: Money
    """What was paid on the claim through this case."""
    residual: Money
    """What was open on the claim when the case ended, before a part of it was written off."""
    written_off: Money
    """The part of the residual that is given up; the rest stays owed."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        require_one_currency((self.collected, self.residual, self.written_off))
        return self


ClaimIds = Annotated[ListOf[UUID], Field(min_length=1, max_length=MAX_CLAIMS)]
Shares = Annotated[ListOf[ClaimShare], Field(max_length=MAX_CLAIMS)]
ClaimResults = Annotated[ListOf[ClaimResult], Field(min_length=1, max_length=MAX_CLAIMS)]


class CaseOpenedV1(CaseEvent):
    """The partner works the case from now on."""

    TYPE = "case.opened.v1"

    opened_at: Instant
    """When the case was opened."""
    claims: Annotated[ListOf[OpenClaim], Field(min_length=1, max_length=MAX_CLAIMS)]
    """The claims of the case, each with what is open on it."""
    open: Money
    """What is open on the case: the sum over its claims."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        require_one_currency((self.open, *[claim.open for claim in self.claims]))
        return self


class CaseRejectedV1(CaseEvent):
    """The partner refused the case; its claims are free again."""

    TYPE = "case.rejected.v1"

    reason_code: Code
    """Why, as a word of an open list."""
    claims: ClaimIds
    """Ids of the claims of the case."""


class CaseFileNumberSetV1(CaseEvent):
    """The case has a file number, the first or another one."""

    TYPE = "case.file-number-set.v1"

    file_number: ShortText
    """The partner's number; several cases may have the same."""
    previous: ShortText | None = None
    """The number that the case had before."""


class CasePaymentBookedV1(CaseEvent):
    """A payment through the partner was booked."""

    TYPE = "case.payment-booked.v1"

    payment_id: UUID
    """Id of the payment."""
    amount: Money
    """What goes to the creditor: the sum of the shares and of what is unallocated."""
    unallocated: Money
    """The part of the amount that no claim of the case could take."""
    own_fees: Money
    """What the partner took for itself, as booked; no part of the amount. Corrections: not told."""
    booking_date: Day
    """Day of the payment, in the studio's time zone."""
    allocation: Literal["AUTOMATIC", "MANUAL"]
    """AUTOMATIC: in the order that the tenant chose. MANUAL: as staff gave it."""
    booked_by: Actor
    """Who booked it."""
    partner_reference: Identifier | None = None
    """The partner's own id of the payment, when it reported it."""
    shares: Shares
    """How the payment was spread over the claims."""
    open: Money
    """What is open on the case after that."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        require_one_currency((self.amount, self.unallocated, self.own_fees, self.open))
        require_one_currency((self.amount, *_amounts(self.shares)))
        return self


class CasePaymentReducedV1(CaseEvent):
    """A booked payment was less than booked, or came to nothing; claims open again."""

    TYPE = "case.payment-reduced.v1"

    reduction_id: UUID
    """Id of the reduction."""
    payment_id: UUID
    """Id of the payment."""
    amount_before: Money
    """Amount of the payment before."""
    amount_after: Money
    """Amount of the payment now; 0.00 when nothing is left of it."""
    booking_date: Day
    """Day of the reduction, in the studio's time zone."""
    shares: Shares
    """What was taken back from each claim (positive); what more was taken back was unallocated."""
    shortfall: Money | None = None
    """What of it had been paid out already, and is missing now; none when nothing."""
    open: Money
    """What is open on the case after that."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        require_one_currency((self.amount_before, self.amount_after, self.open))
        require_one_currency((self.open, *_amounts(self.shares)))
        if self.shortfall is not None:
            require_one_currency((self.open, self.shortfall))
        return self


class CasePaymentReallocatedV1(CaseEvent):
    """Money that was booked before belongs to other claims now, or to none any more.

    It is in the currency of the case, and the amount of the payment stays the same.
    """

    TYPE = "case.payment-reallocated.v1"

    reallocation_id: UUID
    """Id of this change."""
    payment_id: UUID
    """Id of the payment."""
    payment_case_id: UUID
    """Case on which the payment was booked: this one, or another one of the same member."""
    reason: Literal["CLAIM_CHANGED", "SETTLED"]
    """CLAIM_CHANGED: a claim is less than was paid on it. SETTLED: staff gave it to claims."""
    taken: Shares
    """What was taken off claims of this case and is unallocated since."""
    given: Shares
    """What was unallocated and went to claims of this case."""
    booking_date: Day
    """Day of the change, in the studio's time zone."""
    unallocated: Money
    """The part of the payment that belongs to no claim after that."""
    open: Money
    """What is open on this case after that."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        require_one_currency(
            (self.unallocated, self.open, *_amounts(self.taken), *_amounts(self.given))
        )
        return self


class CaseUnallocatedSettledV1(CaseEvent):
    """Money that no claim could take has left the case."""

    TYPE = "case.unallocated-settled.v1"

    settlement_id: UUID
    """Id of the settlement."""
    payment_id: UUID
    """Id of the payment that the money came with."""
    outcome: Literal["PAID_BACK", "GIVEN_TO_DEBTOR"]
    """PAID_BACK: to the partner. GIVEN_TO_DEBTOR: to the member or whoever paid for it."""
    amount: Money
    """How much."""
    booking_date: Day
    """Day of the settlement, in the studio's time zone."""
    unallocated: Money
    """The part of the payment that still belongs to no claim after that."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        require_one_currency((self.amount, self.unallocated))
        return self


class CaseClaimChangedV1(CaseEvent):
    """A claim of the case changed: corrected, cancelled, or paid at the studio."""

    TYPE = "case.claim-changed.v1"

    claim_id: UUID
    """Id of the claim."""
    snapshot_sequence: Sequence
    """Sequence of the claim's snapshot that brought the change."""
    amount: Money
    """Amount of the claim now, after all corrections."""
    paid_directly: Money
    """What was paid on the claim at the studio by now, in sum."""
    cancelled: bool
    """Whether the claim is cancelled."""
    amount_before: Money | None = None
    """Amount of the claim as it was known before; none when not told."""
    paid_directly_before: Money | None = None
    """What was known before as paid at the studio; none when not told."""
    open_before: Money
    """What was open on the claim before."""
    open: Money
    """What is open on the claim now."""
    case_open: Money
    """What is open on the case now."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        require_one_currency(
            (self.amount, self.paid_directly, self.open_before, self.open, self.case_open)
        )
        known_before = (self.amount_before, self.paid_directly_before)
        require_one_currency((self.amount, *(money for money in known_before if money is not None)))
        return self


class CaseHandedOverAgainV1(CaseEvent):
    """What was open again on a case that has ended is collected by another case now."""

    TYPE = "case.handed-over-again.v1"

    claims: Annotated[ListOf[OpenClaim], Field(min_length=1, max_length=MAX_CLAIMS)]
    """The claims that went, each with what is open on it in this case after that."""
    amount: Money
    """How much went, in sum."""
    open: Money
    """What is open on this case after that."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        require_one_currency((self.amount, self.open, *[claim.open for claim in self.claims]))
        return self


class CaseClosedV1(CaseEvent):
    """The case has ended for good; its claims are not in collection any more."""

    TYPE = "case.closed.v1"

    reason: Literal["COMPLETED", "RUN_REVERSED"]
    """COMPLETED: worked to its end. RUN_REVERSED: ended with its run."""
    result: Literal["PAID", "PARTLY_PAID", "UNPAID"]
    """What came of it: nothing is open, something was collected, or nothing was."""
    closed_by: Actor
    """Who closed it."""
    claims: ClaimResults
    """What became of each claim."""
    collected: Money
    """What was paid through this case: the sum over its claims."""
    residual: Money
    """What was open when the case ended: the sum over its claims."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        require_one_currency((self.collected, self.residual, *_collected(self.claims)))
        return self


class CaseCancelledV1(CaseEvent):
    """The case was taken back: collection stops, its claims are free again."""

    TYPE = "case.cancelled.v1"

    cancelled_by: Actor
    """Who cancelled it."""
    claims: ClaimResults
    """What became of each claim."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        require_one_currency(_collected(self.claims))
        return self


def _amounts(shares: tuple[ClaimShare, ...]) -> list[Money]:
    return [money for share in shares for money in (share.amount, share.open)]


def _collected(claims: tuple[ClaimResult, ...]) -> list[Money]:
    return [claim.collected for claim in claims]
