"""Conditions that tests wait for."""

import asyncio
from collections.abc import Awaitable, Callable

LIMIT_SECONDS = 60.0
"""After which something hangs, on a machine under load too."""


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until something is so; fails after a limit."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)
