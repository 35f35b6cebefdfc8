"""A payment that a partner had reported was another amount in truth (R23)."""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store
from case_service.cases.case import Case
from case_service.cases.reports import (
    TooEarly,
    Unacceptable,
    Verdict,
    apply_reports,
    lock_reported,
    payment_thing,
)
from case_service.ledger.entry import Occasion, Payment
from case_service.ledger.journal import Journal
from case_service.payments.allocation import NOTHING, Allocation, Share
from case_service.payments.book_payment import OTHER_CURRENCY, enter_payment
from contracts import ReportPaymentCorrectedV1
from kit.trace import Cause


async def correct_payments(
    connection: AsyncConnection, reports: Sequence[tuple[ReportPaymentCorrectedV1, Cause]]
) -> list[Verdict]:
    """Bring payments to the amounts that they were in truth; return what became of each report.

    Too much is taken back, the surplus first and then the newest shares; what was missing is
    booked as a payment of its own under the same reference. A repeat finds nothing to do.
    """
    cases = await lock_reported(connection, reports)
    known = await store.reported_payments(
        connection,
        [(cause.tenant_id, report.case_id, report.partner_reference) for report, cause in reports],
    )

    def rule(
        case: Case, report: ReportPaymentCorrectedV1, occasion: Occasion, journal: Journal
    ) -> Verdict:
        payments = known.get((*case.key, report.partner_reference))
        if not payments:
            return TooEarly(payment_thing(case.case_id, report.partner_reference))
        if report.amount.currency != case.currency:
            return Unacceptable(OTHER_CURRENCY)
        _correct_fees(case, payments[0], report.own_fees.amount, occasion, journal)
        booked = sum((payment.amount for payment in payments), NOTHING)
        if report.amount.amount < booked:
            _reduce(case, payments, booked - report.amount.amount, report, occasion, journal)
        elif report.amount.amount > booked:
            payments.append(
                enter_payment(
                    case,
                    report.amount.amount - booked,
                    report.corrected_on,
                    occasion,
                    journal,
                    partner_reference=report.partner_reference,
                    corrects=payments[0].payment_id,
                )
            )
        return None

    journal = Journal()
    verdicts = apply_reports(cases, reports, rule, journal)
    await store.save(connection, journal)
    return verdicts


def _reduce(
    case: Case,
    payments: Sequence[Payment],
    amount: Decimal,
    report: ReportPaymentCorrectedV1,
    occasion: Occasion,
    journal: Journal,
) -> None:
    """Take `amount` back from payments that have it, from the one booked last first."""
    for payment in reversed(payments):
        part = min(payment.amount, amount)
        if not part:
            continue
        before = payment.amount
        taken = case.take_back(payment.allocation, part)
        payment.amount -= part
        payment.allocation = _less(payment.allocation, taken)
        journal.payment_reduced(case, payment, before, taken, report.corrected_on, occasion)
        amount -= part


def _less(booked: Allocation, taken: Allocation) -> Allocation:
    """Return what is left of an allocation after a part of it was taken back."""
    gone = {share.claim_id: share.amount for share in taken.shares}
    left = [
        Share(share.claim_id, share.amount - gone.get(share.claim_id, NOTHING))
        for share in booked.shares
    ]
    return Allocation(
        tuple(share for share in left if share.amount), booked.unallocated - taken.unallocated
    )


def _correct_fees(
    case: Case, payment: Payment, own_fees: Decimal, occasion: Occasion, journal: Journal
) -> None:
    before = payment.own_fees
    if own_fees != before:
        payment.own_fees = own_fees
        journal.fees_corrected(case, payment, before, occasion)
