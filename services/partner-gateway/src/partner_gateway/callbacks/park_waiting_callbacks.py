"""Let waiting for a case or a run have an end: after 30 days staff decide (R51)."""

from datetime import timedelta
from typing import Final

from kit.clock import now
from kit.context import Context
from partner_gateway.callbacks import waiting
from partner_gateway.settings import Settings

WORKER: Final = "park waiting callbacks"
"""The worker that does this."""

LONGEST_WAIT: Final = timedelta(days=30)
BATCH: Final = 1000

_REASON: Final = f"no such case for {LONGEST_WAIT.days} days"


async def park_waiting_callbacks(context: Context[Settings]) -> bool:
    """Park a batch of those that have waited for too long; tell whether there may be more."""
    time = now()
    async with context.database.begin() as connection:
        parked = await waiting.park_waiting_callbacks(
            connection, _REASON, time - LONGEST_WAIT, time, BATCH
        )
    return parked == BATCH
