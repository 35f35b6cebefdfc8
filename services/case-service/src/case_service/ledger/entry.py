"""What is written down once and never changed: entries and history, and the payments behind them.

Every amount of money in a case follows from its entries. An entry on a claim changes what is open
on it: above zero it owes more, below zero less. An entry without a claim changes the unallocated
money of the case. So for each payment: amount = unallocated entries − entries on claims (R30).
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from case_service.payments.allocation import Allocation
from kit.trace import Cause


class EntryKind(StrEnum):
    """What an entry stands for."""

    HANDED_OVER = "HANDED_OVER"
    PAYMENT_SHARE = "PAYMENT_SHARE"
    PAYMENT_REDUCTION = "PAYMENT_REDUCTION"


class HistoryKind(StrEnum):
    """What happened to a case."""

    HANDED_OVER = "HANDED_OVER"
    OPENED = "OPENED"
    REJECTED = "REJECTED"
    FILE_NUMBER_SET = "FILE_NUMBER_SET"
    PAYMENT_BOOKED = "PAYMENT_BOOKED"
    PAYMENT_REDUCED = "PAYMENT_REDUCED"
    FEES_CORRECTED = "FEES_CORRECTED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


class ActorKind(StrEnum):
    """On whose word something was done."""

    STAFF = "STAFF"
    PARTNER = "PARTNER"
    SYSTEM = "SYSTEM"


@dataclass(frozen=True, slots=True)
class Occasion:
    """Who does something, when, why, and from which request it stems."""

    actor_kind: ActorKind
    actor: str
    """The token's subject for staff, the partner's id for a partner, the service for the rest."""
    at: datetime
    cause: Cause
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger; `amount` is signed as the module says."""

    case_id: UUID
    claim_id: UUID | None
    payment_id: UUID | None
    kind: EntryKind
    amount: Decimal
    currency: str
    booking_date: date
    occasion: Occasion


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One thing that happened to a case; `details` holds ids and amounts as text."""

    case_id: UUID
    kind: HistoryKind
    details: dict[str, Any]
    occasion: Occasion


@dataclass(slots=True)
class Payment:
    """Money that was collected on a case, as it stands after all reductions.

    `allocation` says where it is; `own_fees` is what the partner kept for itself on top and is
    no part of `amount`; `booked_…` is what was booked first. `corrects` names the payment that was
    reported with too little: this one is the rest.
    """

    tenant_id: UUID
    payment_id: UUID
    case_id: UUID
    amount: Decimal
    own_fees: Decimal
    booking_date: date
    booked_by: ActorKind
    allocation: Allocation
    booked_amount: Decimal
    booked_own_fees: Decimal
    currency: str
    recorded_at: datetime
    partner_reference: str | None = None
    corrects: UUID | None = None
