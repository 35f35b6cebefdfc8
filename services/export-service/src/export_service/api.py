"""HTTP in: parse → call a verb → render."""

import asyncio
import json
from datetime import datetime
from time import monotonic
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports import queries
from export_service.exports.cancel_export import cancel_export
from export_service.exports.create_export import create_export
from export_service.exports.download import send_file
from export_service.exports.export import Kind, Status
from export_service.exports.problems import NOT_OF_RUN
from export_service.exports.views import ExportAnswer, ExportOrder
from export_service.runs.queries import find_run
from export_service.settings import Settings
from kit.auth import Principal, requires
from kit.context import Context
from kit.cursors import Cursor, Limit, Page, decode, encode
from kit.http import CurrentContext, cause_of
from kit.idempotency import once
from kit.problems import FORBIDDEN, problem, unprocessable

router = APIRouter(prefix="/v1/exports", tags=["exports"])

RENDER_EXPORTS: Final = "render-exports"
"""The worker that is woken when there is a new export."""

MAX_ROWS_AT_ONCE: Final = 5_000
"""How many rows a file has at most that is the answer to its order."""

LONGEST_WAIT_FOR_FILE: Final = 20.0
"""Seconds that an order waits for its file at most."""

_LOOK_AGAIN_AFTER: Final = 0.1
_LOOKS_FOR_RUN: Final = 30

Reader = Annotated[Principal, requires("collection:read")]
Service = Context[Settings]


@router.post("", status_code=202, response_model=ExportAnswer)
async def post_export(
    order: ExportOrder, request: Request, context: CurrentContext, principal: Reader
) -> Response:
    """Orders a file with the details of a run, or the members overview.

    Needs an `Idempotency-Key`. The answer comes at once; the file is there when the status is
    COMPLETED. With `Prefer: wait` (RFC 7240) the answer is the file itself, with the status 200, if
    it has no more than 5,000 rows and is ready in time (`wait=20`: 20 seconds at most). Who sees
    some studios only gets their rows only.
    """
    wanted = order.wanted
    studio_ids = _ordered_studios(order, principal)
    if isinstance(wanted, UUID):
        await _await_run(context, principal, wanted)

    async def create(connection: AsyncConnection) -> ExportAnswer:
        export_id = await create_export(
            connection,
            cause_of(request, principal),
            wanted,
            studio_ids=studio_ids,
            named_studios=order.studio_ids or (),
            layout=order.layout,
            created_by=principal.subject,
        )
        return ExportAnswer.of(await queries.find_export(connection, principal, export_id))

    response = await once(context, principal, request, order, create, status=202)
    context.wake(RENDER_EXPORTS)
    if (seconds := _preferred_wait(request)) is None:
        return response
    export_id = UUID(json.loads(bytes(response.body))["export_id"])
    return await _small_file(context, principal, request, export_id, seconds) or response


@router.get("")
async def get_exports(
    context: CurrentContext,
    principal: Reader,
    run_id: UUID | None = None,
    kind: Kind | None = None,
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
        export = await queries.find_export(connection, principal, export_id)
        if export.created_by != principal.subject and "collection:manage" not in principal.roles:
            raise problem(FORBIDDEN)
        if export.current_status != Status.CANCELLED:
            await cancel_export(connection, principal.tenant_id, export_id, principal.subject)
        return ExportAnswer.of(await queries.find_export(connection, principal, export_id))


async def _small_file(
    context: Service, principal: Principal, request: Request, export_id: UUID, seconds: float
) -> Response | None:
    """The file of a small export, waiting for it; None if it is not ready in time, or not small."""
    deadline = monotonic() + seconds
    while monotonic() < deadline:
        async with context.database.connect() as connection:
            export = await queries.find_export(connection, principal, export_id)
        if (export.rows_total or 0) > MAX_ROWS_AT_ONCE:
            return None
        match export.current_status:
            case Status.COMPLETED:
                file = await send_file(context, principal, request, export)
                file.headers["Preference-Applied"] = "wait"
                file.headers["Content-Location"] = f"{router.prefix}/{export_id}/file"
                return file
            case Status.WAITING | Status.RUNNING:
                await asyncio.sleep(_LOOK_AGAIN_AFTER)
            case _:
                return None
    return None


def _preferred_wait(request: Request) -> float | None:
    """How many seconds the caller would wait for the file (`Prefer`, RFC 7240); None for none."""
    for preference in ",".join(request.headers.getlist("Prefer")).split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            wanted = value.strip().strip('"')
            return min(
                float(wanted) if wanted.isdecimal() else LONGEST_WAIT_FOR_FILE,
                LONGEST_WAIT_FOR_FILE,
            )
    return None


def _ordered_studios(order: ExportOrder, principal: Principal) -> list[UUID] | None:
    """The studios whose rows the file will hold; None for all.

    Raises the 422 for one that the caller may not see: as for one that is not in the run.
    """
    if order.studio_ids is None:
        return queries.visible_studios(principal)
    if not all(principal.may_see(studio_id) for studio_id in order.studio_ids):
        raise unprocessable("studio_ids", NOT_OF_RUN)
    return sorted(set(order.studio_ids))


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
