"""HTTP: cases, their file numbers, their end, and who was ever handed over."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import queries, store
from case_service.cases.cancel_case import cancel_case
from case_service.cases.case import Status
from case_service.cases.close_case import close_case
from case_service.cases.set_file_number import set_file_number
from case_service.edge import (
    Cashier,
    Comment,
    Manager,
    Reader,
    lock_case,
    occasion_of,
)
from case_service.ledger.journal import Journal
from case_service.payments.api import GivenPayment, book
from case_service.queries import CaseFilter
from case_service.views import (
    CaseDetails,
    CaseSummary,
    File,
    HistoryEntry,
    MemberInCollection,
)
from contracts.parts import ShortText
from kit.auth import Principal
from kit.cursors import Cursor, Limit, Page
from kit.http import Body, CurrentContext, etag
from kit.idempotency import once
from kit.problems import not_found, within

router = APIRouter(prefix="/v1")

FileNumber = Annotated[ShortText, StringConstraints(strip_whitespace=True)]


class NewFileNumber(Body):
    """The partner's number for a case."""

    file_number: FileNumber


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
        case = await lock_case(connection, principal, case_id, request)
        journal = Journal()
        await set_file_number(
            connection, case, body.file_number, occasion_of(request, principal), journal
        )
        await store.save(connection, journal)
        details = await _details(connection, principal, case_id)
    response.headers["ETag"] = etag(details.version)
    return details


@router.post("/cases/{case_id}/closure", response_model=CaseDetails)
async def post_closure(
    context: CurrentContext, principal: Cashier, request: Request, case_id: UUID, body: Closure
) -> Response:
    """Close a case for good, paid or not; with a last payment in the same step if there is one."""
    occasion = occasion_of(request, principal, body.comment)

    async def verb(connection: AsyncConnection) -> CaseDetails:
        case = await lock_case(connection, principal, case_id, request)
        journal = Journal()
        if body.payment is not None:
            with within("payment"):
                await book(connection, case, body.payment, occasion, journal)
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
    occasion = occasion_of(request, principal, body.comment)

    async def verb(connection: AsyncConnection) -> CaseDetails:
        case = await lock_case(connection, principal, case_id, request)
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


async def _details(connection: AsyncConnection, principal: Principal, case_id: UUID) -> CaseDetails:
    case = await queries.find_case(connection, principal, case_id)
    if case is None:
        raise not_found()
    return case
