"""Staff say that a payment was less than booked, or nothing (R23)."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from case_service.cases.case import Case, Key
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion
from case_service.payments.allocation import NOTHING, Allocation, Share
from case_service.payments.payment import Payment
from case_service.payments.shrink import shrink
from contracts import Money
from kit.problems import unprocessable


@dataclass(frozen=True, slots=True)
class GivenShare:
    """A part of a payment and the claim, in one of the member's cases, that it belongs to."""

    case_id: UUID
    claim_id: UUID
    amount: Money


@dataclass(frozen=True, slots=True)
class Reduction:
    """What a payment was in truth."""

    amount: Money
    """The new amount, not the difference; 0.00 takes all of it back."""
    booking_date: date
    shares: tuple[GivenShare, ...] | None = None
    """What is taken back from each claim; None: from the claims booked last first."""


def reduce_payment(
    cases: Mapping[Key, Case],
    payment: Payment,
    reduction: Reduction,
    occasion: Occasion,
    journal: Journal,
    *,
    hidden: Set[UUID] = frozenset(),
) -> None:
    """Shrink a payment; `cases` holds all cases of the member, locked.

    Cases that are `hidden` from the caller cannot be named: that is refused as for unknown ones.

    What of it is unallocated goes first, for it paid nothing. The claims open again, also on a case
    that has ended. Raises the 422 naming the field when the amount is not below what the payment
    is, another currency, less than was paid out of it already, a day before the payment or in the
    future, or shares that do not add up or do not fit.
    """
    own = cases[payment.tenant_id, payment.case_id]
    if reduction.amount.currency != payment.currency:
        raise unprocessable("amount.currency", "Must be the currency of the case")
    less = payment.amount - reduction.amount.amount
    if less <= 0:
        raise unprocessable("amount", "Must be below what the payment is now")
    if less > payment.allocation.amount:
        raise unprocessable("amount", "Must not be below what was paid out of the payment already")
    today = own.day(occasion.at)  # a partner may have reported a day that is still to come
    if not min(payment.booking_date, today) <= reduction.booking_date <= today:
        raise unprocessable("booking_date", "Must be from the day of the payment to today")
    taken = None if reduction.shares is None else _taken(payment, reduction.shares, less, hidden)
    shrink(cases, payment, less, reduction.booking_date, occasion, journal, taken=taken)


def _taken(
    payment: Payment, shares: Sequence[GivenShare], less: Decimal, hidden: Set[UUID]
) -> Allocation:
    """Return what is taken back when staff say from which claims."""
    booked = {
        (share.case_id, share.claim_id): share.amount
        for share in payment.allocation.shares
        if share.case_id not in hidden
    }
    for place, share in enumerate(shares):
        has = booked.pop((share.case_id, share.claim_id), None)
        if has is None:
            raise unprocessable(
                f"shares.{place}.claim_id", "Must be a claim that has a share of the payment, once"
            )
        if share.amount.currency != payment.currency:
            raise unprocessable(
                f"shares.{place}.amount.currency", "Must be the currency of the case"
            )
        if not NOTHING < share.amount.amount <= has:
            raise unprocessable(
                f"shares.{place}.amount", "Must be above zero and at most the claim's share"
            )
    surplus = min(payment.allocation.unallocated, less)
    if sum((share.amount.amount for share in shares), NOTHING) != less - surplus:
        raise unprocessable(
            "shares", "Must add up to what is taken back, less what is unallocated of the payment"
        )
    return Allocation(
        tuple(Share(share.case_id, share.claim_id, share.amount.amount) for share in shares),
        surplus,
    )
