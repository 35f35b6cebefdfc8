"""Let callbacks go on that wait for a case or a run, once that was sent to a partner (R51)."""

from typing import Final

from kit.context import Context
from partner_gateway.callbacks import translate_callbacks, waiting
from partner_gateway.settings import Settings

WORKER: Final = "release callbacks"
"""The worker that does this."""

PAGES: Final = 50
"""Pages whose cases are looked at in one round, each once."""


async def release_callbacks(context: Context[Settings]) -> bool:
    """Release those whose wait the next pages end; tell whether there may be more pages."""
    async with context.database.begin() as connection:
        pages, released = await waiting.release_callbacks(connection, PAGES)
    if released:
        context.wake(translate_callbacks.WORKER)
    return pages == PAGES
