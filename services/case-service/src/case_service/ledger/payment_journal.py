"""What a transaction does to payments: all that is written down, and all that is published. Pure.

Each function expects that payment and cases have it already.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from case_service.cases.case import Case
from case_service.ledger import events, posting
from case_service.ledger.events import Outcome, ReallocationReason
from case_service.ledger.history import HistoryKind
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion
from case_service.ledger.posting import EntryKind
from case_service.payments.allocation import NOTHING, Allocation, Share
from case_service.payments.payment import Payment
from kit.ids import new_id


def payment_booked(journal: Journal, case: Case, payment: Payment, occasion: Occasion) -> None:
    """A payment was booked."""
    journal.new_payments.append(payment)
    posted = journal.post(
        case,
        EntryKind.PAYMENT_SHARE,
        posting.payment_booked(payment),
        payment.booking_date,
        occasion,
        with_nothing=not payment.amount,
    )
    journal.tell(
        case,
        HistoryKind.PAYMENT_BOOKED,
        occasion,
        posted,
        events.payment_booked(case, payment, occasion),
        payment_id=payment.payment_id,
        amount=payment.amount,
        own_fees=payment.own_fees,
        unallocated=payment.allocation.unallocated,
        booking_date=payment.booking_date,
        partner_reference=payment.partner_reference,
    )


def payment_reduced(
    journal: Journal,
    holders: Sequence[Case],
    payment: Payment,
    before: Decimal,
    taken: Allocation,
    shortfall: Decimal,
    booking_date: date,
    occasion: Occasion,
) -> None:
    """A payment shrank to `payment.amount`.

    `holders` are its own case, first, and the others that had shares of it. Each tells its own
    part: what `before` is to the first is what the first left to the next.
    """
    journal.changed_payments[payment.payment_id] = payment
    posted = journal.post(
        holders[0],
        EntryKind.PAYMENT_REDUCTION,
        posting.payment_reduced(payment, taken, shortfall),
        booking_date,
        occasion,
    )
    for case in holders:
        is_own = case is holders[0]
        shares = tuple(share for share in taken.shares if share.case_id == case.case_id)
        missing = shortfall if is_own else NOTHING
        part = sum((share.amount for share in shares), taken.unallocated if is_own else NOTHING)
        after = before - part - missing
        if after != before or len(holders) == 1:
            amounts = (before, after)
            _tell_reduced(
                journal, case, payment, posted, amounts, shares, missing, booking_date, occasion
            )
        before = after


def _tell_reduced(
    journal: Journal,
    case: Case,
    payment: Payment,
    posted: UUID | None,
    amounts: tuple[Decimal, Decimal],
    shares: tuple[Share, ...],
    missing: Decimal,
    booking_date: date,
    occasion: Occasion,
) -> None:
    """Tell one case's part of a reduction; `amounts` are the payment's before and after it."""
    reduction_id = new_id()
    event = events.payment_reduced(
        case,
        payment.payment_id,
        reduction_id,
        amounts,
        shares,
        missing,
        booking_date,
        occasion,
    )
    journal.tell(
        case,
        HistoryKind.PAYMENT_REDUCED,
        occasion,
        posted,
        event,
        reduction_id=reduction_id,
        payment_id=payment.payment_id,
        amount_before=amounts[0],
        amount_after=amounts[1],
        booking_date=booking_date,
        shortfall=missing or None,
    )


def surplus_arose(
    journal: Journal,
    case: Case,
    own: Case,
    payment: Payment,
    taken: tuple[Share, ...],
    day: date,
    occasion: Occasion,
) -> None:
    """Shares of a payment left claims of `case`, which are less than was paid on them.

    They stand as unallocated on the payment's `own` case.
    """
    lines = posting.surplus(payment, taken)
    posted = journal.post(case, EntryKind.SURPLUS, lines, day, occasion)
    _reallocated(journal, case, own, payment, "CLAIM_CHANGED", posted, day, occasion, taken=taken)


def shares_given(
    journal: Journal,
    case: Case,
    own: Case,
    payment: Payment,
    given: tuple[Share, ...],
    day: date,
    occasion: Occasion,
    posting_id: UUID,
) -> None:
    """Money of a payment that was unallocated on its `own` case went to claims of `case`."""
    lines = posting.shares_given(payment, given)
    posted = journal.post(
        case, EntryKind.PAYMENT_SHARE, lines, day, occasion, posting_id=posting_id
    )
    _reallocated(journal, case, own, payment, "SETTLED", posted, day, occasion, given=given)


def paid_out(
    journal: Journal,
    case: Case,
    payment: Payment,
    amount: Decimal,
    outcome: Outcome,
    day: date,
    occasion: Occasion,
) -> None:
    """Unallocated money of a payment was paid back to the partner, or given to the debtor."""
    journal.changed_payments[payment.payment_id] = payment
    lines = posting.paid_out(payment, amount)
    posted = journal.post(case, EntryKind.PAID_OUT, lines, day, occasion)
    settlement_id = new_id()
    journal.tell(
        case,
        HistoryKind.UNALLOCATED_SETTLED,
        occasion,
        posted,
        events.unallocated_settled(case, payment, settlement_id, outcome, amount, day, occasion),
        settlement_id=settlement_id,
        payment_id=payment.payment_id,
        outcome=outcome,
        amount=amount,
        booking_date=day,
    )


def fees_corrected(
    journal: Journal, case: Case, payment: Payment, before: Decimal, occasion: Occasion
) -> None:
    """What the partner kept for itself was another amount; nothing that is owed changes."""
    journal.changed_payments[payment.payment_id] = payment
    journal.tell(
        case,
        HistoryKind.FEES_CORRECTED,
        occasion,
        payment_id=payment.payment_id,
        own_fees_before=before,
        own_fees_after=payment.own_fees,
    )


def _reallocated(
    journal: Journal,
    case: Case,
    own: Case,
    payment: Payment,
    reason: ReallocationReason,
    posted: UUID | None,
    day: date,
    occasion: Occasion,
    *,
    taken: tuple[Share, ...] = (),
    given: tuple[Share, ...] = (),
) -> None:
    journal.changed_payments[payment.payment_id] = payment
    reallocation_id = new_id()
    event = events.payment_reallocated(
        case, payment, reallocation_id, reason, day, occasion, taken=taken, given=given
    )
    details = {
        "reallocation_id": reallocation_id,
        "payment_id": payment.payment_id,
        "reason": reason,
        "amount": sum((share.amount for share in (*taken, *given)), NOTHING),
        "booking_date": day,
    }
    journal.tell(case, HistoryKind.PAYMENT_REALLOCATED, occasion, posted, event, **details)
    if own is not case:  # what is unallocated changed there, which the event says as well
        journal.tell(own, HistoryKind.PAYMENT_REALLOCATED, occasion, posted, **details)
