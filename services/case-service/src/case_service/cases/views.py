"""What the HTTP interface shows of cases."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from case_service.cases.case import CloseReason, Result, Status
from case_service.ledger.history import HistoryKind
from case_service.ledger.occasion import ActorKind
from case_service.notices.keep_notices import NoticeStatus
from case_service.payments.payment import AllocationKind
from case_service.views import Sum, View
from contracts import Currency, Money


class CaseSummary(View):
    """A case in a list."""

    case_id: UUID
    run_id: UUID
    run_booking_number: str
    """Readable number of the run."""
    booking_number: int
    """Number of the member within the run."""
    member_id: UUID
    membership_number: str | None
    """Null when the latest handover is one of a studio that you may not see."""
    name: str | None
    """Name of the member, null as its number is."""
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
    collected: Money
    """What was paid on its claims through it."""
    open: Money
    """What is open; on a case that has ended, what is open again, for staff."""
    unallocated: Sum
    """What was paid and belongs to no claim; for staff to settle."""
    residual: Money | None
    """What was open when the case ended."""
    written_off: Money
    """What of that was given up."""
    opened_at: datetime | None
    ended_at: datetime | None
    version: int


class Difference(View):
    """By how much an amount grew; below zero it became less."""

    amount: Decimal
    currency: Currency


class ClaimInCase(View):
    """A claim of a case; open = handed_over + changed − collected − written_off − released."""

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
    amount_now: Money
    """Amount of the claim, as receivables says now."""
    paid_directly_now: Money
    """What was paid at the studio in all, as receivables says now."""
    cancelled: bool
    """Whether receivables has cancelled the claim."""
    handed_over: Money
    """What was open at the handover."""
    changed: Difference
    """What receivables made of that since; below zero when it is less, or was paid directly."""
    collected: Money
    """What was paid through this case."""
    written_off: Money
    """What was given up when the case ended."""
    released: Money
    """What went back to the creditor when the case ended."""
    open: Money


class ShareInCase(View):
    """A claim's part in a payment, as it is now."""

    case_id: UUID
    """The case that the claim is paid in; of the same member."""
    claim_id: UUID
    amount: Money


class PaymentInCase(View):
    """A payment on a case, as it is now.

    amount = shares + on_other_studios + unallocated + paid_out − shortfall.
    """

    payment_id: UUID
    amount: Money
    booked_amount: Money
    """The amount as it was booked first."""
    unallocated: Money
    """The part that belongs to no claim."""
    paid_out: Money
    """The part that was paid back to the partner, or given to the debtor."""
    shortfall: Money
    """What was paid out though it had never come in."""
    own_fees: Money
    """What the partner kept for itself; no part of the amount."""
    booking_date: date
    allocation: AllocationKind
    """Who said where it goes: a rule (AUTOMATIC) or staff (MANUAL)."""
    booked_by: ActorKind
    partner_reference: str | None
    corrects: UUID | None
    """The payment that was reported with too little, when this one is the rest."""
    recorded_at: datetime
    shares: list[ShareInCase]
    on_other_studios: Money
    """The part that lies on cases of the member which you may not see."""


class ShareFromOtherCase(View):
    """A part of a payment on another case of the member that pays a claim of this one."""

    payment_id: UUID
    case_id: UUID | None
    """The case of the payment; null when you may not see it."""
    claim_id: UUID
    amount: Money
    booking_date: date


class NoticeOfCase(View):
    """Something that the partner must be told of a case."""

    notice_id: UUID
    kind: Literal["STOP", "STUDIO_PAYMENT", "CLAIM_CHANGED"]
    status: NoticeStatus
    due_on: date | None
    """The day until which the partner must know; null when that was not heard yet."""
    overdue_since: datetime | None
    """When that day had passed and the partner was not known to know; null when it knew."""
    changed_at: datetime


class CommentOnCase(View):
    """What somebody noted on a case."""

    comment: str
    actor: str
    """Subject of the token."""
    recorded_at: datetime
    request_id: str


class HistoryEntry(View):
    """One thing that happened to a case."""

    kind: HistoryKind
    text: str
    """Who did what, in one sentence: in German or English, as `Accept-Language` asks for."""
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
    """Oldest first."""
    shares_from_other_cases: list[ShareFromOtherCase]
    """What was paid on its claims by payments of other cases of the member."""
    notices: list[NoticeOfCase]
    """Oldest first."""
    comments: list[CommentOnCase]
    """The latest, newest first; `/comments` has all of them."""
    history: list[HistoryEntry]
    """The latest, newest first; `/history` has all of it."""
