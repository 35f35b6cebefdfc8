"""Wait for the file of a small export, as `Prefer: wait` asks an order to (RFC 7240)."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import nullcontext
from time import monotonic
from typing import Any, Final
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy import Row

from export_service.exports import queries
from export_service.exports.download import send_file
from export_service.exports.export import SMALL, Status
from export_service.exports.views import ExportAnswer
from export_service.settings import Settings
from kit.auth import Principal
from kit.context import Context

MOST_SECONDS: Final = 20.0
"""Seconds that an order waits for its file at most."""

MOST_WAITERS: Final = 20
"""Orders that wait at once; they ask the database that others need, too."""

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 1.0

# A preference may have parameters; they mean nothing here.
_WAIT: Final = re.compile(
    r'wait[ \t]*(?:=[ \t]*(?:(?P<seconds>[0-9]+)|"(?P<quoted>[0-9]*)")?)?[ \t]*(?:;.*)?',
    re.ASCII | re.IGNORECASE,
)


def preferred_wait(headers: Sequence[str]) -> float | None:
    """For how many seconds the values of `Prefer` ask to wait for the file; None for not at all.

    The first `wait` counts (section 2); without a number of seconds it is `MOST_SECONDS`, which is
    the most, too. What is no such preference is ignored, as section 2 demands.
    """
    for preference in ",".join(headers).split(","):
        if wait := _WAIT.fullmatch(preference.strip()):
            return min(float(wait["seconds"] or wait["quoted"] or MOST_SECONDS), MOST_SECONDS)
    return None


async def wait_for_file(
    context: Context[Settings],
    principal: Principal,
    request: Request,
    export_id: UUID,
    seconds: float,
) -> Response:
    """The file of an export; else the export as it is by then, with the status 202.

    That is so if the file is not ready in time, not `SMALL`, or if there is none, any more or
    never. While `MOST_WAITERS` wait, others are answered at once.
    """
    places = context.one(_places)
    if places.locked():
        seconds = 0.0
    async with places if seconds else nullcontext():
        export = await _ended_or_late(context, principal, export_id, monotonic() + seconds)
    if export.current_status != Status.COMPLETED or export.rows_total > SMALL:
        answer = ExportAnswer.of(export).model_dump_json()
        return Response(answer, 202, media_type="application/json")
    file = await send_file(context, principal, request, export)
    file.headers["Preference-Applied"] = "wait"
    file.headers["Content-Location"] = f"{request.url.path}/{export_id}/file"
    return file


async def _ended_or_late(
    context: Context[Settings], principal: Principal, export_id: UUID, deadline: float
) -> Row[Any]:
    """The export once it has ended, is known to be large, or the time is over."""
    pause = _FIRST_PAUSE
    while True:
        async with context.database.connect() as connection:
            export = await queries.find_export(connection, principal, export_id)
        has_ended = export.current_status not in (Status.WAITING, Status.RUNNING)
        if has_ended or (export.rows_total or 0) > SMALL or monotonic() >= deadline:
            return export
        await asyncio.sleep(min(pause, max(deadline - monotonic(), 0.0)))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _places(_: Context[Settings]) -> asyncio.Semaphore:
    """One for each order that waits."""
    return asyncio.Semaphore(MOST_WAITERS)
