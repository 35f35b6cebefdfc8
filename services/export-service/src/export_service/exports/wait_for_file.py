"""Wait for the file of a small export, as `Prefer: wait` asks an order to (RFC 7240)."""

import asyncio
import re
from collections.abc import Sequence
from time import monotonic
from typing import Final
from uuid import UUID

from fastapi import Request, Response

from export_service.exports import queries
from export_service.exports.download import send_file
from export_service.exports.export import SMALL, Status
from export_service.settings import Settings
from kit.auth import Principal
from kit.context import Context

LONGEST_WAIT: Final = 20.0
"""Seconds that an order waits for its file at most."""

_LOOK_AGAIN_AFTER: Final = 0.1

# A preference may have parameters; they mean nothing here.
_WAIT: Final = re.compile(
    r'wait[ \t]*(?:=[ \t]*(?:(?P<seconds>[0-9]+)|"(?P<quoted>[0-9]*)")?)?[ \t]*(?:;.*)?',
    re.ASCII | re.IGNORECASE,
)


def preferred_wait(headers: Sequence[str]) -> float | None:
    """For how many seconds the values of `Prefer` ask to wait for the file; None for not at all.

    The first `wait` counts (section 2); without a number of seconds it is `LONGEST_WAIT`, which is
    the most, too. What is no such preference is ignored, as section 2 demands.
    """
    for preference in ",".join(headers).split(","):
        if wait := _WAIT.fullmatch(preference.strip()):
            return min(float(wait["seconds"] or wait["quoted"] or LONGEST_WAIT), LONGEST_WAIT)
    return None


async def wait_for_file(
    context: Context[Settings],
    principal: Principal,
    request: Request,
    export_id: UUID,
    seconds: float,
) -> Response | None:
    """The file of an export; None if it is not ready in time, or not `SMALL`.

    Of an export that has failed, was cancelled or has expired it raises what asking for its file
    would.
    """
    deadline = monotonic() + seconds
    while True:
        async with context.database.connect() as connection:
            export = await queries.find_export(connection, principal, export_id)
        if (export.rows_total or 0) > SMALL:
            return None
        if export.current_status not in (Status.WAITING, Status.RUNNING):
            file = await send_file(context, principal, request, export)
            file.headers["Preference-Applied"] = "wait"
            file.headers["Content-Location"] = f"{request.url.path}/{export_id}/file"
            return file
        if monotonic() >= deadline:
            return None
        await asyncio.sleep(_LOOK_AGAIN_AFTER)
