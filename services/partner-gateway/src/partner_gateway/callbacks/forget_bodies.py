"""Forget what callbacks said, some time after it has acted: it is personal data (R63)."""

from datetime import timedelta
from typing import Final

from kit.clock import now
from kit.context import Context
from partner_gateway.callbacks import store
from partner_gateway.settings import Settings

WORKER: Final = "forget callbacks"
"""The worker that does this."""

BATCH: Final = 1000


async def forget_bodies(context: Context[Settings]) -> bool:
    """Forget bodies and headers of a batch; tell whether there may be more.

    Of each its webhook id and the SHA-256 of its body stay, so that the same one again is known for
    ever. What has not acted stays whole.
    """
    kept_since = now() - timedelta(days=context.settings.callback_retention_days)
    async with context.database.begin() as connection:
        return await store.forget_bodies(connection, kept_since, BATCH) == BATCH
