"""Let callbacks go on that wait for a case or a run, once that was sent to a partner (R51)."""

from typing import Final

from kit.context import Context
from partner_gateway.callbacks import store, translate_callbacks
from partner_gateway.settings import Settings

WORKER: Final = "release callbacks"
"""The worker that does this."""


async def release_callbacks(context: Context[Settings]) -> bool:
    """Release all whose wait is over; there is never more to do at once."""
    async with context.database.begin() as connection:
        released = await store.release_callbacks(connection)
    if released:
        context.wake(translate_callbacks.WORKER)
    return False
