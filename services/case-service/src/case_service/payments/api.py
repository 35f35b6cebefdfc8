"""HTTP: payments that partners passed on, what they were in truth, and what no claim could take."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store
from case_service.cases.case import Case, Key
from case_service.edge import (
    Cashier,
    Comment,
    GivenDay,
    GivenMoney,
    lock_case,
    lock_cases_of_member,
    occasion_of,
)
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion
from case_service.payments.allocation import age
from case_service.payments.book_payment import Received, book_payment
from case_service.payments.payment import Payment
from case_service.payments.reduce_payment import GivenShare, Reduction, reduce_payment
from case_service.payments.settle_unallocated import (
    allocate_unallocated,
    no_such_case,
    pay_out,
)
from case_service.payments.store import payments_by_id
from case_service.payments.views import Hint, PaymentBooked, PaymentChanged, PlannedShare
from case_service.receivables.store import lock_claims
from contracts import Money
from contracts.parts import MAX_CLAIMS, Identifier
from kit.auth import Principal
from kit.http import Body, CurrentContext
from kit.idempotency import once
from kit.problems import not_found, unprocessable, within

router = APIRouter(prefix="/v1")

_LONG_AGO: Final = timedelta(days=90)


class ShareOfClaim(Body):
    """The part of a payment that belongs to one claim of the case."""

    claim_id: UUID
    amount: GivenMoney


class ShareOfCase(ShareOfClaim):
    """The part of a payment that belongs to one claim of one of the member's cases."""

    case_id: UUID | None = None
    """The case; none means the payment's own."""


class GivenPayment(Body):
    """A payment that the partner passed on."""

    amount: GivenMoney
    """Above zero and at most what is open on the case."""
    booking_date: GivenDay
    """From the day of the handover to today."""
    own_fees: GivenMoney | None = None
    """What the partner kept for itself on top; no part of the amount."""
    partner_reference: Identifier | None = None
    """The partner's own id of the payment: the same again is the same payment, for ever."""
    shares: Annotated[list[ShareOfClaim], Field(min_length=1, max_length=MAX_CLAIMS)] | None = None
    """Where it goes; none means as the tenant's settings say. They add up to the amount."""


class NewPayment(GivenPayment):
    """A payment to book."""

    comment: Comment | None = None


class NewAmount(Body):
    """What a payment was in truth."""

    amount: GivenMoney
    """The new amount, not the difference: below what the payment is now, 0.00 for nothing."""
    booking_date: GivenDay
    """From the day of the payment to today."""
    shares: Annotated[list[ShareOfCase], Field(max_length=MAX_CLAIMS)] | None = None
    """What is taken back from which claim; none means from the claims booked last first. What is
    unallocated of the payment goes first, so they add up to the rest of the difference."""
    comment: Comment


class Settlement(Body):
    """Where unallocated money of a payment belongs: to claims, or out of the case."""

    outcome: Literal["ALLOCATED", "PAID_BACK", "GIVEN_TO_DEBTOR"]
    """ALLOCATED: to claims. PAID_BACK: to the partner. GIVEN_TO_DEBTOR: to who paid too much."""
    shares: Annotated[list[ShareOfCase], Field(min_length=1, max_length=MAX_CLAIMS)] | None = None
    """For ALLOCATED only: the claims, also of other cases of the same member."""
    amount: GivenMoney | None = None
    """For the others only: how much, at most what is unallocated."""
    comment: Comment


@router.post(
    "/cases/{case_id}/payments",
    status_code=201,
    response_model=PaymentBooked,
    responses={200: {"model": PaymentBooked, "description": "A dry run: nothing was booked"}},
)
async def post_payment(
    context: CurrentContext,
    principal: Cashier,
    request: Request,
    response: Response,
    case_id: UUID,
    body: NewPayment,
    dry_run: bool = False,
) -> Response | PaymentBooked:
    """Book a payment: to the claims that are given, or as the tenant's settings say.

    With `dry_run` nothing is booked: the answer (200) shows what the payment would do.
    """
    occasion = occasion_of(request, principal, body.comment)

    async def verb(connection: AsyncConnection) -> PaymentBooked:
        case = await lock_case(connection, principal, case_id, request)
        journal = Journal()
        booked = await book(connection, case, body, occasion, journal)
        if not dry_run:
            await store.save(connection, journal)
            return booked.model_copy(update={"version": case.version})
        return booked.model_copy(update={"payment_id": None}) if journal.new_payments else booked

    if dry_run:
        response.status_code = 200
        async with context.database.begin() as connection:
            return await verb(connection)
    return await once(context, principal, request, body, verb)


@router.post(
    "/cases/{case_id}/payments/{payment_id}/reduction",
    status_code=201,
    response_model=PaymentChanged,
    responses={200: {"model": PaymentChanged, "description": "A dry run: nothing changed"}},
)
async def post_reduction(
    context: CurrentContext,
    principal: Cashier,
    request: Request,
    response: Response,
    case_id: UUID,
    payment_id: UUID,
    body: NewAmount,
    dry_run: bool = False,
) -> Response | PaymentChanged:
    """Bring a payment down to what it was in truth; its claims open again, whatever the status.

    With `dry_run` nothing changes: the answer (200) shows what would.
    """
    occasion = occasion_of(request, principal, body.comment)
    reduction = Reduction(
        body.amount.money,
        body.booking_date,
        None if body.shares is None else _given(body.shares, case_id),
    )

    async def verb(connection: AsyncConnection) -> PaymentChanged:
        own, cases = await lock_cases_of_member(connection, principal, case_id, request)
        payment = await _payment(connection, own, payment_id)
        before = _open_amounts(cases)
        journal = Journal()
        hidden = {case.case_id for case in cases.values() if not principal.may_see(case.studio_id)}
        reduce_payment(cases, payment, reduction, occasion, journal, hidden=hidden)
        if not dry_run:
            await store.save(connection, journal)
        return _changed(principal, own, cases, payment, before)

    if dry_run:
        response.status_code = 200
        async with context.database.begin() as connection:
            return await verb(connection)
    return await once(context, principal, request, body, verb)


@router.post(
    "/cases/{case_id}/payments/{payment_id}/settlement",
    status_code=201,
    response_model=PaymentChanged,
)
async def post_settlement(
    context: CurrentContext,
    principal: Cashier,
    request: Request,
    case_id: UUID,
    payment_id: UUID,
    body: Settlement,
) -> Response:
    """Settle money that no claim could take: it goes to claims of the member, or it is paid out."""
    _require_shares_or_amount(body)
    occasion = occasion_of(request, principal, body.comment)

    claims = [(principal.tenant_id, share.claim_id) for share in body.shares or ()]

    async def verb(connection: AsyncConnection) -> PaymentChanged:
        facts = await lock_claims(connection, claims) if claims else {}
        own, cases = await lock_cases_of_member(connection, principal, case_id, request)
        payment = await _payment(connection, own, payment_id)
        before = _open_amounts(cases)
        journal = Journal()
        if body.shares is not None:
            shares = _given(body.shares, case_id)
            _require_seen(principal, cases, shares)
            allocate_unallocated(cases, payment, shares, facts, occasion, journal)
        elif body.amount is not None and body.outcome != "ALLOCATED":
            pay_out(own, payment, body.amount.money, body.outcome, occasion, journal)
        await store.save(connection, journal)
        return _changed(principal, own, cases, payment, before)

    return await once(context, principal, request, body, verb)


async def book(
    connection: AsyncConnection,
    case: Case,
    given: GivenPayment,
    occasion: Occasion,
    journal: Journal,
) -> PaymentBooked:
    """Book a payment on a locked case, and render what it did to each claim.

    A payment that was booked before under its reference does nothing; `journal` is empty before.
    """
    before = {claim.claim_id: claim.open for claim in case.claims}
    received = Received(
        given.amount.money,
        given.booking_date,
        None if given.own_fees is None else given.own_fees.money,
        given.partner_reference,
        None
        if given.shares is None
        else tuple((share.claim_id, share.amount.money) for share in given.shares),
    )
    payment = await book_payment(connection, case, received, occasion, journal)
    return PaymentBooked(
        payment_id=payment.payment_id,
        amount=Money(amount=payment.amount, currency=payment.currency),
        booking_date=payment.booking_date,
        claims=[
            _planned(case, claim.claim_id, before[claim.claim_id], claim.open)
            for claim in sorted(case.claims, key=age)
        ],
        open=Money(amount=case.open, currency=case.currency),
        version=case.version,
        hints=_hints(case, payment, occasion, is_new=bool(journal.new_payments)),
    )


def _hints(case: Case, payment: Payment, occasion: Occasion, *, is_new: bool) -> list[Hint]:
    if not is_new:
        return [Hint(field="partner_reference", message="The payment was booked before")]
    if payment.booking_date < case.day(occasion.at) - _LONG_AGO:
        return [Hint(field="booking_date", message="Is more than 90 days ago")]
    return []


def _given(shares: list[ShareOfCase], case_id: UUID) -> tuple[GivenShare, ...]:
    return tuple(
        GivenShare(share.case_id or case_id, share.claim_id, share.amount.money) for share in shares
    )


async def _payment(connection: AsyncConnection, case: Case, payment_id: UUID) -> Payment:
    """Return a payment that was booked on a case; raises the 404."""
    key = (case.tenant_id, payment_id)
    payment = (await payments_by_id(connection, [key])).get(key)
    if payment is None or payment.case_id != case.case_id:
        raise not_found()
    return payment


def _open_amounts(cases: dict[Key, Case]) -> dict[tuple[UUID, UUID], Decimal]:
    return {
        (case.case_id, claim.claim_id): claim.open
        for case in cases.values()
        for claim in case.claims
    }


def _require_shares_or_amount(body: Settlement) -> None:
    is_allocated = body.outcome == "ALLOCATED"
    if is_allocated != (body.shares is not None):
        raise unprocessable("shares", "Must be given for ALLOCATED, and only then")
    if is_allocated == (body.amount is not None):
        raise unprocessable("amount", "Must be given unless ALLOCATED, and only then")


def _require_seen(
    principal: Principal, cases: dict[Key, Case], shares: tuple[GivenShare, ...]
) -> None:
    """Raise the 422 for a case of the member that the caller may not see, as if it were none."""
    for place, share in enumerate(shares):
        case = cases.get((principal.tenant_id, share.case_id))
        if case is not None and not principal.may_see(case.studio_id):
            with within(f"shares.{place}"):
                raise no_such_case()


def _changed(
    principal: Principal,
    own: Case,
    cases: dict[Key, Case],
    payment: Payment,
    before: dict[tuple[UUID, UUID], Decimal],
) -> PaymentChanged:
    """Render a payment and what its change did to claims, in the cases that the caller may see."""
    return PaymentChanged(
        payment_id=payment.payment_id,
        amount=Money(amount=payment.amount, currency=payment.currency),
        unallocated=Money(amount=payment.allocation.unallocated, currency=payment.currency),
        claims=[
            _planned(case, claim.claim_id, before[case.case_id, claim.claim_id], claim.open)
            for case in cases.values()
            if principal.may_see(case.studio_id)
            for claim in sorted(case.claims, key=age)
            if before[case.case_id, claim.claim_id] != claim.open
        ],
        open=Money(amount=own.open, currency=own.currency),
        version=own.version,
    )


def _planned(case: Case, claim_id: UUID, before: Decimal, after: Decimal) -> PlannedShare:
    return PlannedShare(
        case_id=case.case_id,
        claim_id=claim_id,
        open_before=Money(amount=before, currency=case.currency),
        amount=Money(amount=abs(before - after), currency=case.currency),
        open_after=Money(amount=after, currency=case.currency),
    )
