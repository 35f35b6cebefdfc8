"""Whether the service lives, whether it is ready, and what it measures."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from kit import metrics

Check = Callable[[], Awaitable[None]]

router = APIRouter(include_in_schema=False)

STILL: Final = 300.0
"""Seconds without a turn after which a loop counts as stuck; longer than its longest time-out."""

_ANSWER_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Health:
    """What the probes ask: `troubles` of the loops, and `checks` of what the service needs."""

    troubles: Callable[[], list[str]]
    checks: Mapping[str, Check]


def is_stuck(last_turn: float) -> bool:
    """Tell whether a loop has not turned for too long (monotonic seconds)."""
    return time.monotonic() - last_turn > STILL


@router.get("/health/live")
async def live(request: Request) -> Response:
    """Answer 200 while the loops make progress, else 503: the platform then restarts us."""
    health: Health = request.app.state.health
    troubles = health.troubles()
    return JSONResponse({"troubles": troubles}, 503 if troubles else 200)


@router.get("/health/ready")
async def ready(request: Request) -> Response:
    """Answer 200 when all that the service needs answers, else 503 with what does not."""
    health: Health = request.app.state.health
    asked = {name: asyncio.create_task(_is_there(check)) for name, check in health.checks.items()}
    # Who asks does not wait for long. What hangs is not waited for either when it is given up.
    await asyncio.wait(asked.values(), timeout=_ANSWER_SECONDS)
    missing = [name for name, task in asked.items() if not (task.done() and task.result())]
    for task in asked.values():
        task.cancel()
    return JSONResponse({"missing": missing}, 503 if missing else 200)


async def _is_there(check: Check) -> bool:
    try:
        await check()
    except Exception:
        return False
    return True


@router.get("/metrics")
async def measurements() -> Response:
    """Return all metrics in Prometheus' text format."""
    return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)
