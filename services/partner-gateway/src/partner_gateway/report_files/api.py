"""HTTP in: report files, what is wrong with them, the order to apply them, and their formats."""

from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from kit import idempotency
from kit.auth import Principal, requires
from kit.clock import now
from kit.cursors import Cursor, Limit, Page, Place, decode, encode
from kit.http import CurrentContext, cause_of
from kit.problems import not_found
from partner_gateway.all_studios import must_see_all_studios
from partner_gateway.partners.queries import find_partner
from partner_gateway.report_files import (
    apply_report_files,
    check_report_files,
    discard_report_files,
    queries,
    store,
)
from partner_gateway.report_files.create_report_file import create_report_file
from partner_gateway.report_files.kinds import Status
from partner_gateway.report_files.queries import ReportFileView, ReportFormatView, RowError
from partner_gateway.report_files.report_format import ReportFormat, check_format
from partner_gateway.report_files.request_application import ApplicationOrder, request_application
from partner_gateway.report_files.uploads import MAX_BODY_BYTES, upload_of
from partner_gateway.report_files.withdraw_report_file import withdraw_report_file

router = APIRouter(prefix="/v1/report-files", tags=["report files"])
formats = APIRouter(prefix="/v1/partners", tags=["report files"])

Administrator = Annotated[Principal, requires("partner:admin")]
Accountant = Annotated[Principal, requires("collection:finance")]

_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "partner_id"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                        "partner_id": {"type": "string", "format": "uuid"},
                    },
                }
            }
        },
    }
}


class ReceivedFile(ReportFileView):
    """A report file that was sent."""

    received_before: bool
    """Whether the partner's file with the same contents was here: this is the earlier one."""


@formats.get("/{partner_id}/report-format")
async def get_report_format(
    context: CurrentContext, principal: Administrator, partner_id: UUID
) -> ReportFormatView:
    """Show how a partner's report files are read."""
    async with context.database.connect() as connection:
        if await find_partner(connection, principal.tenant_id, partner_id) is None:
            raise not_found()
        return await queries.find_format(connection, principal.tenant_id, partner_id)


@formats.put("/{partner_id}/report-format")
async def put_report_format(
    context: CurrentContext, principal: Administrator, partner_id: UUID, body: ReportFormat
) -> ReportFormatView:
    """Set how a partner's report files are read; files that are here already keep theirs."""
    check_format(body)
    tenant_id = principal.tenant_id
    async with context.database.begin() as connection:
        if await find_partner(connection, tenant_id, partner_id) is None:
            raise not_found()
        await store.set_format(connection, tenant_id, partner_id, body, now(), principal.subject)
        return await queries.find_format(connection, tenant_id, partner_id)


@router.post(
    "",
    status_code=202,
    response_model=ReceivedFile,
    openapi_extra=_FORM,
    max_body_size=MAX_BODY_BYTES,
)
async def post_report_file(
    context: CurrentContext, principal: Accountant, request: Request
) -> Response:
    """Take in a report file of a partner, CSV or Excel (.xlsx); it is checked after the answer.

    Nothing is reported before that is ordered. A file has at most 20 MB and 200,000 rows.
    """
    must_see_all_studios(principal)
    kept_for = timedelta(days=context.settings.report_file_days)
    async with upload_of(request) as upload:

        async def make(connection: AsyncConnection) -> ReceivedFile:
            report_file_id, was_here = await create_report_file(
                connection, principal.tenant_id, upload, principal.subject, kept_for
            )
            view = await _view(connection, principal, report_file_id)
            return ReceivedFile(**view.model_dump(), received_before=was_here)

        response = await idempotency.once(
            context, principal, request, upload.contents, make, status=202
        )
    context.wake(check_report_files.WORKER)
    return response


@router.get("")
async def get_report_files(
    context: CurrentContext,
    principal: Accountant,
    partner_id: UUID | None = None,
    status: Status | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ReportFileView]:
    """List the report files, newest first."""
    must_see_all_studios(principal)
    before = None if cursor is None else decode(cursor, (UUID,))[0]
    async with context.database.connect() as connection:
        found = await queries.list_files(
            connection,
            principal.tenant_id,
            partner_id=partner_id,
            status=status,
            before=before,
            limit=limit + 1,
        )
    items = list(found[:limit])
    more = len(found) > limit
    return Page(items=items, next=encode([items[-1].report_file_id]) if more else None)


@router.get("/{report_file_id}")
async def get_report_file(
    context: CurrentContext, principal: Accountant, report_file_id: UUID
) -> ReportFileView:
    """Show a report file, and how far it is."""
    must_see_all_studios(principal)
    async with context.database.connect() as connection:
        return await _view(connection, principal, report_file_id)


@router.get("/{report_file_id}/errors")
async def get_report_file_errors(
    context: CurrentContext,
    principal: Accountant,
    report_file_id: UUID,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[RowError]:
    """List what is wrong with a report file, by row."""
    must_see_all_studios(principal)
    row, number = (0, 0) if cursor is None else decode(cursor, (Place, Place))
    async with context.database.connect() as connection:
        await _view(connection, principal, report_file_id)
        found = await queries.list_errors(
            connection, principal.tenant_id, report_file_id, (row, number), limit + 1
        )
    more = len(found) > limit
    return Page(
        items=[error for _, _, error in found[:limit]],
        next=encode(found[limit - 1][:2]) if more else None,
    )


@router.post("/{report_file_id}/application", status_code=202, response_model=ReportFileView)
async def post_application(
    context: CurrentContext,
    principal: Accountant,
    request: Request,
    report_file_id: UUID,
    body: ApplicationOrder,
) -> Response:
    """Apply what was checked: each good row is reported, after the answer and once."""
    must_see_all_studios(principal)
    cause = cause_of(request, principal)

    async def make(connection: AsyncConnection) -> ReportFileView:
        await request_application(connection, report_file_id, body, cause)
        return await _view(connection, principal, report_file_id)

    response = await idempotency.once(context, principal, request, body, make, status=202)
    context.wake(apply_report_files.WORKER)
    return response


@router.delete("/{report_file_id}", status_code=204)
async def delete_report_file(
    context: CurrentContext, principal: Accountant, report_file_id: UUID
) -> None:
    """Take a file back instead of waiting until it expires; not once it is applied."""
    must_see_all_studios(principal)
    async with context.database.begin() as connection:
        await withdraw_report_file(connection, principal.tenant_id, report_file_id)
    context.wake(discard_report_files.WORKER)


async def _view(
    connection: AsyncConnection, principal: Principal, report_file_id: UUID
) -> ReportFileView:
    view = await queries.find_file(connection, principal.tenant_id, report_file_id)
    if view is None:
        raise not_found()
    return view
