"""What the HTTP interface shows."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from case_service.cases.case import CloseReason, Result, Status
from case_service.ledger.entry import ActorKind, HistoryKind
from contracts import Currency, Money


class View(BaseModel):
    """The base of answers; docstrings of fields become descriptions in OpenAPI."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)


class Sum(View):
    """A sum of amounts; it may be larger than a single amount can be."""

    amount: Decimal
    currency: Currency


class CaseSummary(View):
    """A case in a list."""

    case_id: UUID
    run_id: UUID
    run_booking_number: str
    """Readable number of the run."""
    booking_number: int
    """Number of the member within the run."""
    member_id: UUID
    membership_number: str
    name: str
    """Name of the member."""
    studio_id: UUID
    partner_id: UUID
    collection_date: date
    """Day of the handover."""
    status: Status
    reason_code: str | None
    """Why the partner refused the case."""
    close_reason: CloseReason | None
    """Why the case was closed."""
    result: Result | None
    """What the collection of a closed case came to."""
    file_number: str | None
    handed_over: Money
    """What was open at the handover."""
    open: Money
    unallocated: Sum
    """What was paid and belongs to no claim; for staff to settle."""
    opened_at: datetime | None
    ended_at: datetime | None
    version: int


class ClaimInCase(View):
    """A claim of a case."""

    claim_id: UUID
    voucher_id: UUID
    kind: str
    designation: str
    voucher_date: date
    due_date: date
    amount: Money
    """Amount of the claim, as at the handover."""
    paid_directly: Money
    """What had been paid at the studio, as at the handover."""
    handed_over: Money
    """What was open at the handover."""
    collected: Money
    """What was paid through this case."""
    open: Money


class ClaimShare(View):
    """One claim's part in a payment, as it is now."""

    claim_id: UUID
    amount: Money


class PaymentInCase(View):
    """A payment on a case, as it is now."""

    payment_id: UUID
    amount: Money
    unallocated: Money
    """The part that no claim could take."""
    own_fees: Money
    """What the partner kept for itself; no part of the amount."""
    booking_date: date
    booked_by: ActorKind
    partner_reference: str | None
    corrects: UUID | None
    """The payment that was reported with too little, when this one is the rest."""
    recorded_at: datetime
    shares: list[ClaimShare]


class HistoryEntry(View):
    """One thing that happened to a case."""

    kind: HistoryKind
    recorded_at: datetime
    actor_kind: ActorKind
    actor: str
    """Subject of the token for staff, id of the partner, or name of the service."""
    why: str | None
    details: dict[str, str]
    request_id: str
    """The request that it stems from."""


class CaseDetails(CaseSummary):
    """A case with all that belongs to it."""

    claims: list[ClaimInCase]
    """Oldest first, as payments are spread."""
    payments: list[PaymentInCase]
    history: list[HistoryEntry]
    """The latest, newest first; `/history` has all of it."""


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


class MemberCase(View):
    """One case in the life of a member."""

    case_id: UUID
    run_id: UUID
    partner_id: UUID
    studio_id: UUID
    collection_date: date
    """Day of the handover."""
    handed_over: Money
    open: Money
    status: Status
    file_number: str | None


class MemberInCollection(View):
    """Someone who was handed over once or more."""

    member_id: UUID
    studio_id: UUID
    name: str
    membership_number: str
    last_handed_over_on: date
    cases: list[MemberCase]
    """Newest first."""


class FileTotals(View):
    """The sums of a file in one currency."""

    handed_over: Sum
    collected: Sum
    open: Sum
    unallocated: Sum


class File(View):
    """All cases that a partner works under one file number."""

    partner_id: UUID
    file_number: str
    totals: list[FileTotals]
    """One for each currency."""
    cases: list[CaseSummary]
