"""A payment that a partner had reported was another amount in truth (R23)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store
from case_service.cases.case import Case, Key
from case_service.cases.reports import (
    TooEarly,
    Unacceptable,
    Verdict,
    apply_reports,
    lock_reported_members,
    payment_thing,
)
from case_service.ledger import payment_journal
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion
from case_service.payments.allocation import NOTHING
from case_service.payments.book_payment import OTHER_CURRENCY, enter_payment
from case_service.payments.payment import Payment
from case_service.payments.shrink import shrink
from case_service.payments.store import reported_payments
from case_service.tenant_settings.tenant_settings import settings_of
from contracts import ReportPaymentCorrectedV1
from kit.trace import Cause


async def correct_payments(
    connection: AsyncConnection, reports: Sequence[tuple[ReportPaymentCorrectedV1, Cause]]
) -> list[Verdict]:
    """Bring payments to the amounts that they were in truth; return what became of each report.

    Too much is taken back, the surplus first and then the newest shares; what was missing is
    booked as a payment of its own under the same reference. A repeat finds nothing to do.
    """
    cases = await lock_reported_members(connection, reports)
    known = await reported_payments(
        connection,
        [(cause.tenant_id, report.case_id, report.partner_reference) for report, cause in reports],
    )
    settings = await settings_of(connection, (cause.tenant_id for _, cause in reports))

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
            _reduce(cases, payments, booked - report.amount.amount, report, occasion, journal)
        elif report.amount.amount > booked:
            payments.append(
                enter_payment(
                    case,
                    report.amount.amount - booked,
                    report.corrected_on,
                    settings[case.tenant_id].allocation_order,
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
    cases: Mapping[Key, Case],
    payments: Sequence[Payment],
    amount: Decimal,
    report: ReportPaymentCorrectedV1,
    occasion: Occasion,
    journal: Journal,
) -> None:
    """Take `amount` back from payments that have it, from the one booked last first."""
    for payment in reversed(payments):
        part = min(payment.amount, amount)
        if part:
            shrink(cases, payment, part, report.corrected_on, occasion, journal)
            amount -= part


def _correct_fees(
    case: Case, payment: Payment, own_fees: Decimal, occasion: Occasion, journal: Journal
) -> None:
    before = payment.own_fees
    if own_fees != before:
        payment.own_fees = own_fees
        payment_journal.fees_corrected(journal, case, payment, before, occasion)
