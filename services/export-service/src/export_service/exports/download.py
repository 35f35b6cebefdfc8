"""The file of an export on its way out: whole or in parts, with what is known of it (R40, R41)."""

import base64
from collections.abc import Mapping
from datetime import UTC
from email.utils import format_datetime
from typing import Annotated, Any, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from export_service.exports import queries
from export_service.exports.byte_ranges import (
    UnsatisfiableRangeError,
    asked_part,
    is_known,
    is_wanted,
    still_holds,
)
from export_service.exports.export import MEDIA_TYPES, Status, stored_name
from export_service.exports.export_file import ExportFiles
from export_service.exports.problems import GONE, NO_FILE, NOT_READY
from export_service.exports.store import layout_of
from export_service.settings import Settings
from kit.auth import Principal, requires
from kit.context import Context
from kit.http import CurrentContext
from kit.problems import define, problem

log = structlog.stdlib.get_logger(__name__)

router = APIRouter(prefix="/v1/exports", tags=["exports"])

NO_SUCH_PART: Final = define(
    "range-not-satisfiable",
    416,
    "The file has no such part",
    "Ask for a `Range` within the length of the file, which `Content-Range` tells.",
)

NOT_THE_ONE: Final = define(
    "file-is-another",
    412,
    "The file is not the one that was asked for",
    "`ETag` and `Last-Modified` tell which one is there: ask without `If-Match` and"
    " `If-Unmodified-Since`, or with these.",
)

Reader = Annotated[Principal, requires("collection:read")]

FILE: Final[dict[str, Any]] = {media_type: {} for media_type in MEDIA_TYPES}
"""What an answer with a file holds, as OpenAPI says it."""


@router.head("/{export_id}/file", include_in_schema=False)
@router.get(
    "/{export_id}/file",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The file", "content": FILE},
        206: {"description": "The part of the file that `Range` asks for", "content": FILE},
        304: {"description": "The caller has it: its `ETag` is in `If-None-Match`"},
    },
)
async def get_export_file(
    export_id: UUID, request: Request, context: CurrentContext, principal: Reader
) -> Response:
    """Sends the file, or the part of it that `Range` asks for (RFC 9110): one part at a time.

    `Repr-Digest` (RFC 9530) and `ETag` are of the whole file. With `If-Range` and the `ETag` a part
    is only sent of that same file, and with `If-Match` nothing of another one. A HEAD says of the
    file what a GET without `Range` would.
    """
    async with context.database.connect() as connection:
        export = await queries.find_export(connection, principal, export_id)
    return await send_file(context, principal, request, export)


async def send_file(
    context: Context[Settings], principal: Principal, request: Request, export: Row[Any]
) -> Response:
    """The file of an export that the caller may see, as `queries` find it, or a part of it.

    Raises the 409 if there is none yet or never, the 410 if it is there no more, the 412 if it is
    not the one that is asked for, the 416 if it has no such part, and StorageUnavailableError,
    which the caller sees as a 503.
    """
    name = await _existing_file(context, export)
    headers = _headers(export)
    etag = headers["ETag"]
    if request.method in ("GET", "HEAD"):
        _check_is_wanted(request, export, headers)
        if is_known(request.headers.get("If-None-Match"), etag):
            return Response(status_code=304, headers=headers)
    part = _part(request, export.size_bytes, etag, headers["Last-Modified"])
    sent = range(export.size_bytes) if part is None else part
    headers |= {"Content-Length": str(len(sent)), **_described(export)}
    if request.method == "HEAD":
        return Response(headers=headers)
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{export.size_bytes}"
    # Who fetched which file, never what is in it.
    log.info(
        "export-fetched",
        export_id=export.export_id,
        run_id=export.run_id,
        tenant_id=principal.tenant_id,
        subject=principal.subject,
        part=part is not None,
    )
    return StreamingResponse(
        context.one(ExportFiles).read(name, sent.start, sent.stop),
        status_code=200 if part is None else 206,
        headers=headers,
    )


async def _existing_file(context: Context[Settings], export: Row[Any]) -> str:
    """The name of the file in storage, which has it whole."""
    status = export.current_status
    if status == Status.EXPIRED:
        raise problem(GONE)
    if status in (Status.FAILED, Status.CANCELLED):
        known = {"export_id": export.export_id, "reason_code": export.failure_reason}
        raise problem(NO_FILE, f"The export is {status}.", extensions=known)
    if status != Status.COMPLETED:
        raise problem(NOT_READY, f"The export is {status}.")
    name = stored_name(export.export_id, export.attempt, layout_of(export))
    size = await context.one(ExportFiles).size(name)
    if size != export.size_bytes:
        log.error("export-file-lost", export_id=export.export_id, size_bytes=size)
        raise problem(GONE, "The file is not in storage any more.")
    return name


def _check_is_wanted(request: Request, export: Row[Any], headers: Mapping[str, str]) -> None:
    asked = request.headers
    tags, since = asked.get("If-Match"), asked.get("If-Unmodified-Since")
    if not is_wanted(tags, since, headers["ETag"], export.completed_at):
        raise problem(NOT_THE_ONE, headers=headers)


def _part(request: Request, size: int, etag: str, last_modified: str) -> range | None:
    """The part that the caller asks for; None for the whole file. Only a GET can ask for one."""
    if request.method != "GET":
        return None
    if not still_holds(request.headers.get("If-Range"), etag, last_modified):
        return None
    try:
        return asked_part(request.headers.get("Range"), size)
    except UnsatisfiableRangeError as error:
        raise problem(NO_SUCH_PART, headers={"Content-Range": f"bytes */{size}"}) from error


def _headers(export: Row[Any]) -> dict[str, str]:
    """What every answer says of the file; nothing in between keeps it."""
    return {
        "ETag": f'"{export.sha256}"',
        "Last-Modified": format_datetime(export.completed_at.astimezone(UTC), usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
    }


def _described(export: Row[Any]) -> dict[str, str]:
    """What an answer says that has the file, or would have it."""
    digest = base64.b64encode(bytes.fromhex(export.sha256)).decode()
    return {
        "Content-Type": layout_of(export).media_type,
        # The service made the name, of nothing but letters, digits, dashes and a dot (`contents`).
        "Content-Disposition": f'attachment; filename="{export.file_name}"',
        "Repr-Digest": f"sha-256=:{digest}:",
    }
