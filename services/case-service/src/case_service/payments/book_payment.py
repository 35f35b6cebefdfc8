"""Money that was collected is booked on a case: by staff, or by the partner's report (R22, R29)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store
from case_service.cases.case import Case
from case_service.cases.reports import Unacceptable, Verdict, apply_reports, lock_reported
from case_service.ledger import payment_journal
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion
from case_service.payments.allocation import (
    NOTHING,
    Allocation,
    AllocationOrder,
    Share,
    in_order,
)
from case_service.payments.payment import AllocationKind, Payment
from case_service.payments.store import reported_payments, shares_as_booked
from case_service.problems import require_open
from case_service.tenant_settings.tenant_settings import settings_of
from contracts import Money, ReportPaymentReceivedV1
from kit.ids import new_id
from kit.problems import unprocessable
from kit.trace import Cause

OTHER_CURRENCY = "the amount has another currency than the case"


@dataclass(frozen=True, slots=True)
class Received:
    """What staff say that the partner passed on."""

    amount: Money
    booking_date: date
    own_fees: Money | None = None
    partner_reference: str | None = None
    shares: tuple[tuple[UUID, Money], ...] | None = None
    """Claims and their parts; None: as the tenant's order says."""


async def book_payment(
    connection: AsyncConnection,
    case: Case,
    received: Received,
    occasion: Occasion,
    journal: Journal,
) -> Payment:
    """Book what staff took in on a locked case; return the payment.

    A payment that is booked already under its partner's reference, by whomever, is returned as it
    is now, whatever became of the case. Raises the 409 unless the case is open, and the 422 naming
    the field when there is more than is open, another currency, a day before the handover or in the
    future, shares that do not add up or do not fit, or a reference that stands for another payment.
    """
    if received.partner_reference is not None:
        key = (*case.key, received.partner_reference)
        if booked := (await reported_payments(connection, [key])).get(key):
            if not await _is_same(connection, booked[0], received):
                raise unprocessable("partner_reference", "Stands for another payment")
            return booked[0]
    require_open(case)
    _check(case, received, case.day(occasion.at))
    settings = (await settings_of(connection, [case.tenant_id]))[case.tenant_id]
    return enter_payment(
        case,
        received.amount.amount,
        received.booking_date,
        settings.allocation_order,
        occasion,
        journal,
        own_fees=NOTHING if received.own_fees is None else received.own_fees.amount,
        partner_reference=received.partner_reference,
        shares=_shares(case, received.shares, settings.allocation_order),
    )


async def book_reported_payments(
    connection: AsyncConnection, reports: Sequence[tuple[ReportPaymentReceivedV1, Cause]]
) -> list[Verdict]:
    """Book payments as partners report them; return what became of each report.

    Nothing is refused for being too much or too late: what no claim can take stands on the case as
    unallocated. A report that says the same again has no effect.
    """
    cases = await lock_reported(connection, reports)
    known = await reported_payments(
        connection,
        [(cause.tenant_id, report.case_id, report.partner_reference) for report, cause in reports],
    )
    settings = await settings_of(connection, (cause.tenant_id for _, cause in reports))

    def rule(
        case: Case, report: ReportPaymentReceivedV1, occasion: Occasion, journal: Journal
    ) -> Verdict:
        booked = known.setdefault((*case.key, report.partner_reference), [])
        if booked:
            same = _is_repeat(booked[0], report.amount, report.own_fees, report.paid_on)
            return None if same else Unacceptable("the reference stands for another payment")
        if report.amount.currency != case.currency:
            return Unacceptable(OTHER_CURRENCY)
        payment = enter_payment(
            case,
            report.amount.amount,
            report.paid_on,
            settings[case.tenant_id].allocation_order,
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
    order: AllocationOrder,
    occasion: Occasion,
    journal: Journal,
    *,
    own_fees: Decimal = NOTHING,
    partner_reference: str | None = None,
    corrects: UUID | None = None,
    shares: tuple[Share, ...] | None = None,
) -> Payment:
    """Spread an amount over the case, as `shares` say or in the tenant's order; write it down."""
    payment = Payment(
        tenant_id=case.tenant_id,
        payment_id=new_id(),
        case_id=case.case_id,
        amount=amount,
        own_fees=own_fees,
        booking_date=booking_date,
        booked_by=occasion.actor_kind,
        allocation=(
            case.allocate(amount, order) if shares is None else Allocation(shares, NOTHING)
        ),
        allocation_kind=AllocationKind.AUTOMATIC if shares is None else AllocationKind.MANUAL,
        booked_amount=amount,
        booked_own_fees=own_fees,
        currency=case.currency,
        recorded_at=occasion.at,
        partner_reference=partner_reference,
        corrects=corrects,
    )
    case.book(payment.allocation)
    payment_journal.payment_booked(journal, case, payment, occasion)
    return payment


def _check(case: Case, received: Received, today: date) -> None:
    if received.amount.currency != case.currency:
        raise unprocessable("amount.currency", "Must be the currency of the case")
    if received.own_fees is not None and received.own_fees.currency != case.currency:
        raise unprocessable("own_fees.currency", "Must be the currency of the case")
    if not NOTHING < received.amount.amount <= case.open:
        raise unprocessable("amount", "Must be above zero and at most what is open on the case")
    if not case.collection_date <= received.booking_date <= today:
        raise unprocessable("booking_date", "Must be from the day of the handover to today")
    if received.shares is not None:
        _check_shares(case, received.shares, received.amount.amount)


def _check_shares(case: Case, shares: Sequence[tuple[UUID, Money]], amount: Decimal) -> None:
    claims = {claim.claim_id: claim for claim in case.claims}
    seen: set[UUID] = set()
    for place, (claim_id, part) in enumerate(shares):
        if claim_id not in claims or claim_id in seen:
            raise unprocessable(f"shares.{place}.claim_id", "Must be a claim of the case, once")
        if part.currency != case.currency:
            raise unprocessable(
                f"shares.{place}.amount.currency", "Must be the currency of the case"
            )
        if not NOTHING < part.amount <= claims[claim_id].open:
            raise unprocessable(
                f"shares.{place}.amount", "Must be above zero and at most what is open on the claim"
            )
        seen.add(claim_id)
    if sum((part.amount for _, part in shares), NOTHING) != amount:
        raise unprocessable("shares", "Must add up to the amount of the payment")


def _shares(
    case: Case, given: Sequence[tuple[UUID, Money]] | None, order: AllocationOrder
) -> tuple[Share, ...] | None:
    """Return shares in the tenant's order, as if it had led to them: the last is the newest."""
    if given is None:
        return None
    parts = {claim_id: part.amount for claim_id, part in given}
    claims = in_order((claim for claim in case.claims if claim.claim_id in parts), order)
    return tuple(Share(case.case_id, claim.claim_id, parts[claim.claim_id]) for claim in claims)


async def _is_same(connection: AsyncConnection, payment: Payment, received: Received) -> bool:
    """Say whether staff mean a payment that is booked already, as it was booked first."""
    own_fees = received.own_fees or Money(amount=NOTHING, currency=payment.currency)
    if not _is_repeat(payment, received.amount, own_fees, received.booking_date):
        return False
    if received.shares is None:
        return payment.allocation_kind is AllocationKind.AUTOMATIC
    shares = await shares_as_booked(connection, payment)
    given = [(claim_id, part.amount) for claim_id, part in received.shares]
    return sorted(given) == sorted((share.claim_id, share.amount) for share in shares)


def _is_repeat(payment: Payment, amount: Money, own_fees: Money, day: date) -> bool:
    return (
        payment.booked_amount == amount.amount
        and payment.booked_own_fees == own_fees.amount
        and payment.currency == amount.currency == own_fees.currency
        and payment.booking_date == day
    )
