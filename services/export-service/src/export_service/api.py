"""HTTP in: parse → call a verb → render."""

import asyncio
import base64
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Self
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports import queries
from export_service.exports.create_export import create_export
from export_service.exports.export import FailureReason, Format, Status, stored_name
from export_service.runs.queries import knows_run
from export_service.settings import Settings
from kit.auth import Principal, requires
from kit.clock import now
from kit.context import Context
from kit.cursors import Cursor, Limit, Page, decode, encode
from kit.http import Body, CurrentContext, cause_of
from kit.idempotency import once
from kit.problems import conflict, define, not_found, problem

log = structlog.stdlib.get_logger(__name__)

router = APIRouter(prefix="/v1/exports", tags=["exports"])

RENDER_EXPORTS: Final = "render-exports"
"""The worker that is woken when there is a new export."""

_LOOK_AGAIN_AFTER: Final = 0.1
_LOOKS_FOR_RUN: Final = 30

NOT_READY: Final = define(
    "export-not-ready",
    409,
    "The file is not ready",
    "Ask for the export until its status is COMPLETED; one that FAILED has no file.",
)
GONE: Final = define(
    "export-gone", 410, "The file has expired", "Create the export again; the run is still there."
)

Reader = Annotated[Principal, requires("collection:read")]
Service = Context[Settings]


class ExportOrder(Body):
    """What is to be exported."""

    run_id: UUID
    """The run whose details are wanted."""
    format: Format
    """The format of the file."""


class ExportAnswer(BaseModel):
    """An export and how far it is."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    export_id: UUID
    """Id of the export."""
    run_id: UUID
    """The run that is exported."""
    format: Format
    """Format of the file."""
    studio_ids: list[UUID] | None
    """The studios whose rows it holds; null for the whole run."""
    status: Status
    """WAITING until all members of the run have arrived, RUNNING, COMPLETED, FAILED."""
    reason_code: FailureReason | None
    """Why it failed."""
    rows_done: int
    """Rows that are written."""
    rows_total: int | None
    """Rows that there will be; null while the export waits."""
    file_name: str | None
    """What the file is called when it is fetched."""
    size_bytes: int | None
    """Size of the file in bytes."""
    sha256: str | None
    """SHA-256 of the file, in hexadecimal."""
    created_by: str
    """Subject of the token of who asked for it."""
    created_at: datetime
    """When it was asked for."""
    completed_at: datetime | None
    """When the file was whole."""
    expires_at: datetime | None
    """When the file is deleted."""

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """The answer for a row of the table of exports."""
        return cls(
            export_id=row.export_id,
            run_id=row.run_id,
            format=row.format,
            studio_ids=row.studio_ids,
            status=row.status,
            reason_code=row.failure_reason,
            rows_done=row.rows_done,
            rows_total=row.rows_total,
            file_name=row.file_name,
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            created_by=row.created_by,
            created_at=row.created_at,
            completed_at=row.completed_at,
            expires_at=row.expires_at,
        )


@router.post("", status_code=202, response_model=ExportAnswer)
async def post_export(
    order: ExportOrder, request: Request, context: CurrentContext, principal: Reader
) -> Response:
    """Orders a file with the details of a run; needs an `Idempotency-Key`.

    The answer comes at once; the file is there when the status is COMPLETED. Who sees some studios
    only gets their rows only.
    """
    studio_ids = _studios(principal)
    await _await_run(context, principal, order.run_id)

    async def create(connection: AsyncConnection) -> ExportAnswer:
        export_id = await create_export(
            connection,
            cause_of(request, principal),
            run_id=order.run_id,
            format_=order.format,
            studio_ids=studio_ids,
            created_by=principal.subject,
        )
        return await _answer(connection, principal, export_id)

    response = await once(context, principal, request, order, create, status=202)
    context.wake(RENDER_EXPORTS)
    return response


@router.get("")
async def get_exports(
    context: CurrentContext,
    principal: Reader,
    run_id: UUID | None = None,
    status: Status | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ExportAnswer]:
    """Lists exports, newest first."""
    before: tuple[datetime, UUID] | None = None
    if cursor is not None:
        created_at, export_id = decode(cursor, (datetime, UUID))
        before = created_at, export_id
    async with context.database.connect() as connection:
        rows = await queries.list_exports(
            connection,
            principal.tenant_id,
            _studios(principal),
            run_id=run_id,
            status=status,
            before=before,
            limit=limit + 1,
        )
    page = rows[:limit]
    more = len(rows) > limit
    return Page(
        items=[ExportAnswer.of(row) for row in page],
        next=encode((page[-1].created_at, page[-1].export_id)) if more else None,
    )


@router.get("/{export_id}")
async def get_export(export_id: UUID, context: CurrentContext, principal: Reader) -> ExportAnswer:
    """Shows an export and how far it is."""
    async with context.database.connect() as connection:
        return await _answer(connection, principal, export_id)


@router.get(
    "/{export_id}/file",
    response_class=FileResponse,
    responses={200: {"content": {format_.media_type: {} for format_ in Format}}},
)
async def get_export_file(
    export_id: UUID, context: CurrentContext, principal: Reader
) -> FileResponse:
    """Sends the file."""
    async with context.database.connect() as connection:
        export = await _answer(connection, principal, export_id)
    if export.status is not Status.COMPLETED or export.sha256 is None or export.expires_at is None:
        raise conflict(NOT_READY.name, f"The export is {export.status}.")
    path = context.settings.export_directory / stored_name(export_id, export.format)
    if export.expires_at <= now() or not await asyncio.to_thread(path.is_file):
        raise problem(GONE)
    # Who fetched which file, never what is in it.
    log.info(
        "export-fetched",
        export_id=export_id,
        run_id=export.run_id,
        tenant_id=principal.tenant_id,
        subject=principal.subject,
    )
    return _file(path, export)


def _file(path: Path, export: ExportAnswer) -> FileResponse:
    """The file, with its name and its digest as RFC 9530 has it; nothing in between keeps it."""
    digest = base64.b64encode(bytes.fromhex(export.sha256 or "")).decode()
    return FileResponse(
        path,
        media_type=export.format.media_type,
        filename=export.file_name,
        headers={"Repr-Digest": f"sha-256=:{digest}:", "Cache-Control": "no-store"},
    )


async def _answer(
    connection: AsyncConnection, principal: Principal, export_id: UUID
) -> ExportAnswer:
    row = await queries.export(connection, principal.tenant_id, export_id, _studios(principal))
    if row is None:
        raise not_found()
    return ExportAnswer.of(row)


async def _await_run(context: Service, principal: Principal, run_id: UUID) -> None:
    """Waits a moment for a run that was created just now and whose events are on their way.

    Else whoever creates a run and at once orders its export would be told that there is no run.
    """
    for _ in range(_LOOKS_FOR_RUN):
        if await _knows_run(context, principal, run_id):
            return
        await asyncio.sleep(_LOOK_AGAIN_AFTER)


async def _knows_run(context: Service, principal: Principal, run_id: UUID) -> bool:
    async with context.database.connect() as connection:
        return await knows_run(connection, principal.tenant_id, run_id, _studios(principal))


def _studios(principal: Principal) -> list[UUID] | None:
    """The studios that the caller may see; None for all."""
    return None if principal.studio_ids is None else sorted(principal.studio_ids)
