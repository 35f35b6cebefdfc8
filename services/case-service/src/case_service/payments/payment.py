"""A payment on a case, as it stands after all that was done to it."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from case_service.ledger.occasion import ActorKind
from case_service.payments.allocation import NOTHING, Allocation


class AllocationKind(StrEnum):
    """Who said where a payment goes."""

    AUTOMATIC = "AUTOMATIC"
    MANUAL = "MANUAL"


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
