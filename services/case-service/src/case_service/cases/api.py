"""HTTP: cases, their file numbers, what is noted on them, and their end."""

from dataclasses import replace
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store
from case_service.cases import queries
from case_service.cases.cancel_case import cancel_case
from case_service.cases.close_case import close_case
from case_service.cases.selection import GivenFilters
from case_service.cases.set_file_number import set_file_number
from case_service.cases.views import CaseDetails, CaseSummary, CommentOnCase, HistoryEntry
from case_service.edge import (
    Cashier,
    Comment,
    Manager,
    Reader,
    lock_case,
    occasion_of,
)
from case_service.language import CurrentLanguage, Language
from case_service.ledger.journal import Journal
from case_service.payments.api import GivenPayment, book
from contracts.parts import ShortText
from kit.auth import Principal
from kit.cursors import Cursor, Limit, Page
from kit.http import Body, CurrentContext, etag
from kit.idempotency import once
from kit.problems import not_found, within

A = TypeVar("A")

router = APIRouter(prefix="/v1/cases")

FileNumber = Annotated[ShortText, StringConstraints(strip_whitespace=True)]


class NewFileNumber(Body):
    """The partner's number for a case."""

    file_number: FileNumber


class NewComment(Body):
    """Something to note on a case."""

    comment: Comment


class Closure(Body):
    """The end of a case."""

    comment: Comment
    payment: GivenPayment | None = None
    """A last payment, booked in the same step."""


class Cancellation(Body):
    """A case that is taken back from the partner."""

    comment: Comment


@router.get("")
async def list_cases(
    context: CurrentContext,
    principal: Reader,
    filters: GivenFilters,
    run_id: UUID | None = None,
    member_id: UUID | None = None,
    file_number: str | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[CaseSummary]:
    """Cases, the newest handover first."""
    wanted = replace(filters, run_id=run_id, member_id=member_id, file_number=file_number)
    async with context.database.connect() as connection:
        return await queries.list_cases(connection, principal, wanted, limit, cursor)


@router.get("/{case_id}")
async def get_case(
    context: CurrentContext,
    principal: Reader,
    language: CurrentLanguage,
    case_id: UUID,
    response: Response,
) -> CaseDetails:
    """A case with its claims, payments, notices, and the latest comments and history."""
    async with context.database.connect() as connection:
        case = await _details(connection, principal, case_id, language)
    response.headers["ETag"] = etag(case.version)
    return _in(language, response, case)


@router.get("/{case_id}/history")
async def get_history(
    context: CurrentContext,
    principal: Reader,
    language: CurrentLanguage,
    case_id: UUID,
    response: Response,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[HistoryEntry]:
    """What happened to a case, newest first: who, when, what and why.

    `text` says it in German or English, as `Accept-Language` asks for.
    """
    async with context.database.connect() as connection:
        page = await queries.list_history(connection, principal, case_id, language, limit, cursor)
    if page is None:
        raise not_found()
    return _in(language, response, page)


@router.get("/{case_id}/comments")
async def get_comments(
    context: CurrentContext,
    principal: Reader,
    case_id: UUID,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[CommentOnCase]:
    """What was noted on a case, newest first."""
    async with context.database.connect() as connection:
        page = await queries.list_comments(connection, principal, case_id, limit, cursor)
    if page is None:
        raise not_found()
    return page


@router.post("/{case_id}/comments", status_code=201, response_model=CommentOnCase)
async def post_comment(
    context: CurrentContext, principal: Manager, request: Request, case_id: UUID, body: NewComment
) -> Response:
    """Note something on a case, whatever its status."""
    occasion = occasion_of(request, principal, body.comment)

    async def verb(connection: AsyncConnection) -> CommentOnCase:
        case = await lock_case(connection, principal, case_id, request)
        journal = Journal()
        journal.commented(case, occasion)
        await store.save(connection, journal)
        return CommentOnCase(
            comment=body.comment,
            actor=occasion.actor,
            recorded_at=occasion.at,
            request_id=occasion.cause.correlation_id,
        )

    return await once(context, principal, request, body, verb)


@router.put("/{case_id}/file-number")
async def put_file_number(
    context: CurrentContext,
    principal: Manager,
    language: CurrentLanguage,
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
        details = await _details(connection, principal, case_id, language)
    response.headers["ETag"] = etag(details.version)
    return _in(language, response, details)


@router.post("/{case_id}/closure", response_model=CaseDetails)
async def post_closure(
    context: CurrentContext,
    principal: Cashier,
    language: CurrentLanguage,
    request: Request,
    case_id: UUID,
    body: Closure,
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
        return await _details(connection, principal, case_id, language)

    response = await once(context, principal, request, body, verb, status=200)
    return _in(language, response, response)


@router.post("/{case_id}/cancellation", response_model=CaseDetails)
async def post_cancellation(
    context: CurrentContext,
    principal: Manager,
    language: CurrentLanguage,
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
        return await _details(connection, principal, case_id, language)

    response = await once(context, principal, request, body, verb, status=200)
    return _in(language, response, response)


async def _details(
    connection: AsyncConnection, principal: Principal, case_id: UUID, language: Language
) -> CaseDetails:
    case = await queries.find_case(connection, principal, case_id, language)
    if case is None:
        raise not_found()
    return case


def _in(language: Language, response: Response, answer: A) -> A:
    """Say in which language people are told; a repeated answer is in that of the first."""
    if "Idempotent-Replayed" not in response.headers:
        response.headers["Content-Language"] = language
    return answer
