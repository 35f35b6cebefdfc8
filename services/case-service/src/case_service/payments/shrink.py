"""A payment becomes smaller: by staff's word or the partner's (R23). Pure."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from case_service.cases.case import Case, Key
from case_service.ledger import payment_journal
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion
from case_service.payments.allocation import Allocation, take_back_newest_first
from case_service.payments.payment import Payment


def shrink(
    cases: Mapping[Key, Case],
    payment: Payment,
    amount: Decimal,
    booking_date: date,
    occasion: Occasion,
    journal: Journal,
    *,
    taken: Allocation | None = None,
) -> None:
    """Take `amount` back from a payment: as `taken` says, or the surplus first, then newest shares.

    `cases` holds all cases of the member, locked. What was paid out already cannot be taken back:
    it becomes the payment's shortfall.
    """
    if taken is None:
        taken = take_back_newest_first(payment.allocation, min(amount, payment.allocation.amount))
    own = cases[payment.tenant_id, payment.case_id]
    holders = {own.case_id: own}
    for share in taken.shares:
        case = cases[payment.tenant_id, share.case_id]
        case.claim(share.claim_id).take_back(share.amount)
        holders[case.case_id] = case
    own.unallocated -= taken.unallocated
    before, shortfall = payment.amount, amount - taken.amount
    payment.amount -= amount
    payment.shortfall += shortfall
    payment.allocation = payment.allocation.minus(taken)
    payment_journal.payment_reduced(
        journal, list(holders.values()), payment, before, taken, shortfall, booking_date, occasion
    )
