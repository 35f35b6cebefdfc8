"""What the HTTP interface shows of payments."""

from datetime import date, datetime
from uuid import UUID

from case_service.cases.case import Status
from case_service.views import View
from contracts import Money


class Hint(View):
    """Something that was taken, and may be a slip."""

    field: str
    message: str


class PlannedShare(View):
    """What a payment does to one claim."""

    case_id: UUID
    claim_id: UUID
    open_before: Money
    amount: Money
    """By how much: the claim's share of the payment, or what was taken back."""
    open_after: Money


class PaymentBooked(View):
    """A payment and what it does, or would do, to the claims of the case."""

    payment_id: UUID | None
    """None when it is not booked yet, in a dry run."""
    amount: Money
    booking_date: date
    claims: list[PlannedShare]
    """Every claim of the case, oldest first."""
    open: Money
    """What is open on the case after that."""
    version: int
    """The case's version after that."""
    hints: list[Hint]
    """What may be a slip: a day long ago, a payment that was booked before."""


class PaymentChanged(View):
    """A payment after a change, and what that did, or would do, to claims of the member."""

    payment_id: UUID
    amount: Money
    """What the payment is now."""
    unallocated: Money
    """The part of it that belongs to no claim now."""
    claims: list[PlannedShare]
    """The claims that changed, in all cases of the member that you may see."""
    open: Money
    """What is open on the payment's case after that."""
    version: int
    """The version of the payment's case after that."""


class MemberOfPayment(View):
    """Whose debt a payment is for."""

    member_id: UUID
    name: str | None
    """Null as the number is."""
    membership_number: str | None
    """Null when the latest handover is one of a studio that you may not see."""


class UnallocatedPayment(View):
    """A payment of which a part belongs to no claim, for staff to settle."""

    payment_id: UUID
    case_id: UUID
    case_status: Status
    studio_id: UUID
    partner_id: UUID
    member: MemberOfPayment
    amount: Money
    unallocated: Money
    """The part of the amount that belongs to no claim."""
    own_fees: Money
    """What the partner kept for itself; no part of the amount."""
    booking_date: date
    partner_reference: str | None
    recorded_at: datetime
