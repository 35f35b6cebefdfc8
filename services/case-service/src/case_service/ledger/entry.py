"""What entries and history are made of: accounts, kinds, occasions; and the payments behind them.

The entries themselves come from the lines of postings, which are in `posting.py`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from case_service.payments.allocation import NOTHING, Allocation
from kit.trace import Cause


class Account(StrEnum):
    """Where an amount is put, or taken from."""

    CLAIM = "CLAIM"
    """What is open on one claim of a case."""
    UNALLOCATED = "UNALLOCATED"
    """Money that belongs to no claim; below zero, for it is owed to somebody."""
    COLLECTED = "COLLECTED"
    """Money that came in through collection."""
    RECEIVABLES = "RECEIVABLES"
    """The creditor's own books: claims come from there and go back there."""
    WRITTEN_OFF = "WRITTEN_OFF"
    """What was given up."""
    PAID_OUT = "PAID_OUT"
    """Unallocated money that was paid back or given to the debtor; below zero."""
    SHORTFALL = "SHORTFALL"
    """Money that was paid out although, as was heard later, it had never come in."""


class EntryKind(StrEnum):
    """What a posting stands for."""

    HANDED_OVER = "HANDED_OVER"
    PAYMENT_SHARE = "PAYMENT_SHARE"
    PAYMENT_REDUCTION = "PAYMENT_REDUCTION"
    DIRECT_PAYMENT = "DIRECT_PAYMENT"
    CLAIM_CHANGE = "CLAIM_CHANGE"
    SURPLUS = "SURPLUS"
    PAID_OUT = "PAID_OUT"
    WRITTEN_OFF = "WRITTEN_OFF"
    RELEASED = "RELEASED"


class HistoryKind(StrEnum):
    """What happened to a case."""

    HANDED_OVER = "HANDED_OVER"
    OPENED = "OPENED"
    REJECTED = "REJECTED"
    FILE_NUMBER_SET = "FILE_NUMBER_SET"
    PAYMENT_BOOKED = "PAYMENT_BOOKED"
    PAYMENT_REDUCED = "PAYMENT_REDUCED"
    PAYMENT_REALLOCATED = "PAYMENT_REALLOCATED"
    UNALLOCATED_SETTLED = "UNALLOCATED_SETTLED"
    FEES_CORRECTED = "FEES_CORRECTED"
    CLAIM_CHANGED = "CLAIM_CHANGED"
    COMMENTED = "COMMENTED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"
    DUNNING_LEVEL_RESET = "DUNNING_LEVEL_RESET"
    HANDED_OVER_AGAIN = "HANDED_OVER_AGAIN"


class ActorKind(StrEnum):
    """On whose word something was done."""

    STAFF = "STAFF"
    PARTNER = "PARTNER"
    SYSTEM = "SYSTEM"


class AllocationKind(StrEnum):
    """Who said where a payment goes."""

    AUTOMATIC = "AUTOMATIC"
    MANUAL = "MANUAL"


@dataclass(frozen=True, slots=True)
class Occasion:
    """Who does something, when, why, and from which request it stems."""

    actor_kind: ActorKind
    actor: str
    """The token's subject for staff, the partner's id for a partner, the service for the rest."""
    at: datetime
    cause: Cause
    why: str | None = None


class HistoryItem(NamedTuple):
    """One thing that happened to a case; `details` holds ids and amounts as text."""

    case_id: UUID
    kind: HistoryKind
    details: dict[str, Any]
    occasion: Occasion
    events: tuple[int, ...]
    """Which events of the journal tell it to others."""
    posting_id: UUID | None
    """The entries that belong to it."""


@dataclass(slots=True)
class Payment:
    """Money that was collected on a case, as it stands after all that was done to it.

    `allocation` says where it is, also on other cases of the member; `own_fees` is what the partner
    kept for itself on top and is no part of `amount`; `booked_…` is what was booked first.
    `corrects` names the payment that was reported with too little: this one is the rest.

    Invariant: `amount` = allocated + unallocated + `paid_out` − `shortfall`.
    """

    tenant_id: UUID
    payment_id: UUID
    case_id: UUID
    amount: Decimal
    own_fees: Decimal
    booking_date: date
    booked_by: ActorKind
    allocation: Allocation
    allocation_kind: AllocationKind
    booked_amount: Decimal
    booked_own_fees: Decimal
    currency: str
    recorded_at: datetime
    partner_reference: str | None = None
    corrects: UUID | None = None
    paid_out: Decimal = NOTHING
    """What was paid back or given to the debtor of it."""
    shortfall: Decimal = NOTHING
    """What of `paid_out` had never come in."""
