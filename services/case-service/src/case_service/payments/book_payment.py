"""Money that was collected is booked on a case: by staff, or by the partner's report (R22, R29)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store
from case_service.cases.case import Case
from case_service.cases.reports import Unacceptable, Verdict, apply_reports, lock_reported
from case_service.ledger.entry import Occasion, Payment
from case_service.ledger.journal import Journal
from case_service.payments.allocation import NOTHING
from case_service.problems import require_open
from contracts import Money, ReportPaymentReceivedV1
from kit.ids import new_id
from kit.problems import unprocessable
from kit.trace import Cause

OTHER_CURRENCY = "the amount has another currency than the case"


def book_payment(
    case: Case, amount: Money, booking_date: date, today: date, occasion: Occasion, journal: Journal
) -> Payment:
    """Book what staff took in on a locked case, oldest claim first; return the payment.

    Raises the 409 unless the case is open, and the 422 naming the field when there is more than is
    open, another currency, or a day before the handover or after `today`.
    """
    require_open(case)
    if amount.currency != case.currency:
        raise unprocessable("amount.currency", "Must be the currency of the case")
    if not NOTHING < amount.amount <= case.open:
        raise unprocessable("amount", "Must be above zero and at most what is open on the case")
    if not case.collection_date <= booking_date <= today:
        raise unprocessable("booking_date", "Must be from the day of the handover to today")
    return enter_payment(case, amount.amount, booking_date, occasion, journal)


async def book_reported_payments(
    connection: AsyncConnection, reports: Sequence[tuple[ReportPaymentReceivedV1, Cause]]
) -> list[Verdict]:
    """Book payments as partners report them; return what became of each report.

    Nothing is refused for being too much or too late: what no claim can take stands on the case as
    unallocated. A report that says the same again has no effect.
    """
    cases = await lock_reported(connection, reports)
    known = await store.reported_payments(
        connection,
        [(cause.tenant_id, report.case_id, report.partner_reference) for report, cause in reports],
    )

    def rule(
        case: Case, report: ReportPaymentReceivedV1, occasion: Occasion, journal: Journal
    ) -> Verdict:
        booked = known.setdefault((*case.key, report.partner_reference), [])
        if booked:
            same = _is_repeat(booked[0], report)
            return None if same else Unacceptable("the reference stands for another payment")
        if report.amount.currency != case.currency:
            return Unacceptable(OTHER_CURRENCY)
        payment = enter_payment(
            case,
            report.amount.amount,
            report.paid_on,
            occasion,
            journal,
            own_fees=report.own_fees.amount,
            partner_reference=report.partner_reference,
        )
        booked.append(payment)
        return None

    journal = Journal()
    verdicts = apply_reports(cases, reports, rule, journal)
    await store.save(connection, journal)
    return verdicts


def enter_payment(
    case: Case,
    amount: Decimal,
    booking_date: date,
    occasion: Occasion,
    journal: Journal,
    *,
    own_fees: Decimal = NOTHING,
    partner_reference: str | None = None,
    corrects: UUID | None = None,
) -> Payment:
    """Spread an amount over the case, oldest claim first, and write it down."""
    payment = Payment(
        tenant_id=case.tenant_id,
        payment_id=new_id(),
        case_id=case.case_id,
        amount=amount,
        own_fees=own_fees,
        booking_date=booking_date,
        booked_by=occasion.actor_kind,
        allocation=case.allocate(amount),
        booked_amount=amount,
        booked_own_fees=own_fees,
        currency=case.currency,
        recorded_at=occasion.at,
        partner_reference=partner_reference,
        corrects=corrects,
    )
    case.book(payment.allocation)
    journal.payment_booked(case, payment, occasion)
    return payment


def _is_repeat(payment: Payment, report: ReportPaymentReceivedV1) -> bool:
    return (
        payment.booked_amount == report.amount.amount
        and payment.booked_own_fees == report.own_fees.amount
        and payment.currency == report.amount.currency
        and payment.booking_date == report.paid_on
    )
