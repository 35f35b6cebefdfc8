"""HTTP in: parse → call a verb → render."""

import asyncio
import json
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports import queries
from export_service.exports.cancel_export import cancel_export
from export_service.exports.create_export import create_export
from export_service.exports.download import FILE, Reader
from export_service.exports.export import ExportKind, Status
from export_service.exports.views import ExportAnswer, ExportOrder
from export_service.exports.wait_for_file import preferred_wait, wait_for_file
from export_service.runs.queries import find_run
from export_service.settings import Settings
from kit.auth import Principal
from kit.context import Context
from kit.cursors import Cursor, Limit, Page, decode, encode
from kit.http import CurrentContext, cause_of
from kit.idempotency import once

router = APIRouter(prefix="/v1/exports", tags=["exports"])

RENDER_EXPORTS: Final = "render-exports"
"""The worker that is woken when there is a new export."""

_LOOK_AGAIN_AFTER: Final = 0.1
_LOOKS_FOR_RUN: Final = 30

Service = Context[Settings]


@router.post(
    "",
    status_code=202,
    response_model=ExportAnswer,
    responses={200: {"description": "The file, with `Prefer: wait`", "content": FILE}},
)
async def post_export(
    order: ExportOrder,
    request: Request,
    context: CurrentContext,
    principal: Reader,
    prefer: Annotated[list[str] | None, Header(description="`wait`, or `wait=<seconds>`")] = None,
) -> Response:
    """Orders a file with the details of a run, or the members overview.

    Needs an `Idempotency-Key`. The answer comes at once; the file is there when the status is
    COMPLETED. With `Prefer: wait` (RFC 7240) the answer is the file itself, with the status 200, if
    it has no more than 5,000 rows and is ready in time (`wait=20`: 20 seconds at most). Who sees
    some studios only gets their rows only.
    """
    wanted = order.checked()
    run_id = wanted if isinstance(wanted, UUID) else wanted.run_id
    if run_id is not None:
        await _await_run(context, principal, run_id)

    async def create(connection: AsyncConnection) -> ExportAnswer:
        export_id = await create_export(
            connection,
            cause_of(request, principal),
            wanted,
            layout=order.layout,
            created_by=principal.subject,
            visible_studios=queries.visible_studios(principal),
            named_studios=order.studio_ids,
        )
        return ExportAnswer.of(await queries.find_export(connection, principal, export_id))

    response = await once(context, principal, request, order, create, status=202)
    context.wake(RENDER_EXPORTS)
    if (seconds := preferred_wait(prefer or ())) is None:
        return response
    export_id = UUID(json.loads(bytes(response.body))["export_id"])
    return await wait_for_file(context, principal, request, export_id, seconds)


@router.get("")
async def get_exports(
    context: CurrentContext,
    principal: Reader,
    run_id: UUID | None = None,
    kind: ExportKind | None = None,
    status: Status | None = None,
    mine: bool = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ExportAnswer]:
    """Lists exports, newest first; `mine` asks for those that the caller ordered."""
    before: tuple[datetime, UUID] | None = None
    if cursor is not None:
        created_at, export_id = decode(cursor, (datetime, UUID))
        before = created_at, export_id
    async with context.database.connect() as connection:
        rows = await queries.list_exports(
            connection,
            principal,
            run_id=run_id,
            kind=kind,
            status=status,
            created_by=principal.subject if mine else None,
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
        return ExportAnswer.of(await queries.find_export(connection, principal, export_id))


@router.post("/{export_id}/cancellation")
async def post_cancellation(
    export_id: UUID, context: CurrentContext, principal: Reader
) -> ExportAnswer:
    """Cancels an export that is waiting or running; one that is cancelled stays so.

    Whoever ordered it may do that, and who has the role `collection:manage`.
    """
    async with context.database.begin() as connection:
        await cancel_export(connection, principal, export_id)
        return ExportAnswer.of(await queries.find_export(connection, principal, export_id))


async def _await_run(context: Service, principal: Principal, run_id: UUID) -> None:
    """Waits a moment for a run that was created just now and whose events are on their way.

    Else whoever creates a run and at once orders its export would be told that there is no run.
    """
    studio_ids = queries.visible_studios(principal)
    for _ in range(_LOOKS_FOR_RUN):
        async with context.database.connect() as connection:
            if await find_run(connection, principal.tenant_id, run_id, studio_ids) is not None:
                return
        await asyncio.sleep(_LOOK_AGAIN_AFTER)
