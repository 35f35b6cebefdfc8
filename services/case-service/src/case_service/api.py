"""HTTP in: parse → call a verb → render."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import queries, store
from case_service.cases.cancel_case import cancel_case
from case_service.cases.case import Case, Status
from case_service.cases.close_case import close_case
from case_service.cases.set_file_number import set_file_number
from case_service.ledger.entry import ActorKind, Occasion
from case_service.ledger.journal import Journal
from case_service.payments.allocation import age
from case_service.payments.book_payment import book_payment
from case_service.queries import CaseFilter
from case_service.settings import Settings
from case_service.views import (
    CaseDetails,
    CaseSummary,
    File,
    HistoryEntry,
    MemberInCollection,
    PaymentBooked,
    PlannedShare,
)
from contracts import Amount, Currency, Money
from contracts.parts import ShortText
from kit.auth import Principal, requires
from kit.clock import now, today
from kit.context import Context
from kit.cursors import Cursor, Limit, Page
from kit.http import Body, CurrentContext, cause_of, check_if_match, etag
from kit.idempotency import once
from kit.problems import not_found

router = APIRouter(prefix="/v1")

Reader = Annotated[Principal, requires("collection:read")]
Manager = Annotated[Principal, requires("collection:manage")]
Cashier = Annotated[Principal, requires("collection:finance")]

Comment = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
FileNumber = Annotated[ShortText, StringConstraints(strip_whitespace=True)]


class GivenMoney(Body):
    """An amount and its currency."""

    amount: Amount
    """Decimal string with two decimals, such as 12.30."""
    currency: Currency
    """ISO 4217 code."""


class NewFileNumber(Body):
    """The partner's number for a case."""

    file_number: FileNumber


class GivenPayment(Body):
    """A payment that the partner passed on."""

    amount: GivenMoney
    """Above zero and at most what is open on the case."""
    booking_date: date
    """From the day of the handover to today."""


class NewPayment(GivenPayment):
    """A payment to book."""

    comment: Comment | None = None


class Closure(Body):
    """The end of a case."""

    comment: Comment
    payment: GivenPayment | None = None
    """A last payment, booked in the same step."""


class Cancellation(Body):
    """A case that is taken back from the partner."""

    comment: Comment


@router.get("/cases")
async def list_cases(
    context: CurrentContext,
    principal: Reader,
    status: Status | None = None,
    partner_id: UUID | None = None,
    run_id: UUID | None = None,
    member_id: UUID | None = None,
    studio_id: UUID | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[CaseSummary]:
    """Cases, the newest first."""
    wanted = CaseFilter(status, partner_id, run_id, member_id, studio_id)
    async with context.database.connect() as connection:
        return await queries.list_cases(connection, principal, wanted, limit, cursor)


@router.get("/cases/{case_id}")
async def get_case(
    context: CurrentContext, principal: Reader, case_id: UUID, response: Response
) -> CaseDetails:
    """A case with its claims, payments and latest history."""
    async with context.database.connect() as connection:
        case = await _details(connection, principal, case_id)
    response.headers["ETag"] = etag(case.version)
    return case


@router.get("/cases/{case_id}/history")
async def get_history(
    context: CurrentContext,
    principal: Reader,
    case_id: UUID,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[HistoryEntry]:
    """What happened to a case, newest first: who, when, what and why."""
    async with context.database.connect() as connection:
        page = await queries.list_history(connection, principal, case_id, limit, cursor)
    if page is None:
        raise not_found()
    return page


@router.put("/cases/{case_id}/file-number")
async def put_file_number(
    context: CurrentContext,
    principal: Manager,
    request: Request,
    case_id: UUID,
    body: NewFileNumber,
    response: Response,
) -> CaseDetails:
    """Set or change the partner's number, whatever the status of the case."""
    async with context.database.begin() as connection:
        case = await _lock_case(connection, principal, case_id, request)
        journal = Journal()
        set_file_number(case, body.file_number, _occasion(request, principal, None), journal)
        await store.save(connection, journal)
        details = await _details(connection, principal, case_id)
    response.headers["ETag"] = etag(details.version)
    return details


@router.post("/cases/{case_id}/payments", status_code=201, response_model=PaymentBooked)
async def post_payment(
    context: CurrentContext,
    principal: Cashier,
    request: Request,
    response: Response,
    case_id: UUID,
    body: NewPayment,
    dry_run: bool = False,
) -> Response | PaymentBooked:
    """Book a payment, oldest claim first.

    With `dry_run` nothing is booked: the answer (200) shows what the payment would do.
    """
    occasion = _occasion(request, principal, body.comment)

    async def verb(connection: AsyncConnection) -> PaymentBooked:
        case = await _lock_case(connection, principal, case_id, request)
        journal = Journal()
        booked = _book(context, case, body, occasion, journal)
        if not dry_run:
            await store.save(connection, journal)
        return booked.model_copy(
            update={"version": case.version} | ({"payment_id": None} if dry_run else {})
        )

    if dry_run:
        response.status_code = 200
        async with context.database.begin() as connection:
            return await verb(connection)
    return await once(context, principal, request, body, verb)


@router.post("/cases/{case_id}/closure", response_model=CaseDetails)
async def post_closure(
    context: CurrentContext, principal: Cashier, request: Request, case_id: UUID, body: Closure
) -> Response:
    """Close a case for good, paid or not; with a last payment in the same step if there is one."""
    occasion = _occasion(request, principal, body.comment)

    async def verb(connection: AsyncConnection) -> CaseDetails:
        case = await _lock_case(connection, principal, case_id, request)
        journal = Journal()
        if body.payment is not None:
            _book(context, case, body.payment, occasion, journal)
        await close_case(connection, case, occasion, journal)
        return await _details(connection, principal, case_id)

    return await once(context, principal, request, body, verb, status=200)


@router.post("/cases/{case_id}/cancellation", response_model=CaseDetails)
async def post_cancellation(
    context: CurrentContext,
    principal: Manager,
    request: Request,
    case_id: UUID,
    body: Cancellation,
) -> Response:
    """Take a case back from the partner: collection stops, its claims are free again."""
    occasion = _occasion(request, principal, body.comment)

    async def verb(connection: AsyncConnection) -> CaseDetails:
        case = await _lock_case(connection, principal, case_id, request)
        journal = Journal()
        cancel_case(case, occasion, journal)
        await store.save(connection, journal)
        return await _details(connection, principal, case_id)

    return await once(context, principal, request, body, verb, status=200)


@router.get("/members")
async def list_members(
    context: CurrentContext, principal: Reader, limit: Limit = 100, cursor: Cursor = None
) -> Page[MemberInCollection]:
    """Everyone ever handed over, with all their cases; whoever was handed over last comes first."""
    async with context.database.connect() as connection:
        return await queries.list_members(connection, principal, limit, cursor)


# A file number may hold a slash.
@router.get("/files/{partner_id}/{file_number:path}")
async def get_file(
    context: CurrentContext,
    principal: Reader,
    partner_id: UUID,
    file_number: str,
) -> File:
    """All cases that a partner works under one file number, and their sums."""
    async with context.database.connect() as connection:
        file = await queries.find_file(connection, principal, partner_id, file_number)
    if file is None:
        raise not_found()
    return file


async def _lock_case(
    connection: AsyncConnection, principal: Principal, case_id: UUID, request: Request
) -> Case:
    """Load and lock a case to change it; raises the 404, and the 412 for a stale `If-Match`."""
    key = (principal.tenant_id, case_id)
    case = (await store.lock_cases(connection, [key])).get(key)
    if case is None or not principal.may_see(case.studio_id):
        raise not_found()
    check_if_match(request, case.version)
    return case


async def _details(connection: AsyncConnection, principal: Principal, case_id: UUID) -> CaseDetails:
    case = await queries.find_case(connection, principal, case_id)
    if case is None:
        raise not_found()
    return case


def _occasion(request: Request, principal: Principal, comment: str | None) -> Occasion:
    cause = cause_of(request, principal)
    return Occasion(ActorKind.STAFF, principal.subject, now(), cause, comment)


def _book(
    context: Context[Settings],
    case: Case,
    given: GivenPayment,
    occasion: Occasion,
    journal: Journal,
) -> PaymentBooked:
    """Book a payment on a locked case, and render what it did to each claim."""
    before = {claim.claim_id: claim.open for claim in case.claims}
    amount = Money(amount=given.amount.amount, currency=given.amount.currency)
    day = today(context.settings.time_zone)
    payment = book_payment(case, amount, given.booking_date, day, occasion, journal)
    return PaymentBooked(
        payment_id=payment.payment_id,
        amount=amount,
        booking_date=payment.booking_date,
        claims=[
            PlannedShare(
                claim_id=claim.claim_id,
                open_before=Money(amount=before[claim.claim_id], currency=case.currency),
                amount=Money(amount=before[claim.claim_id] - claim.open, currency=case.currency),
                open_after=Money(amount=claim.open, currency=case.currency),
            )
            for claim in sorted(case.claims, key=age)
        ],
        open=Money(amount=case.open, currency=case.currency),
        version=case.version,
    )
