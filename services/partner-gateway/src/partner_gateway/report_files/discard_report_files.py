"""Report files whose time is over lose all that they held, and what was wrong with them."""

from typing import Final

from kit.clock import now
from kit.context import Context
from partner_gateway.report_files import store
from partner_gateway.settings import Settings

WORKER: Final = "discard report files"
"""The worker that does this."""


async def discard_report_files(context: Context[Settings]) -> bool:
    """Empty one file that has expired; tell whether there was one."""
    async with context.database.begin() as connection:
        file = await store.lock_expired_file(connection, now())
        if file is None:
            return False
        await store.empty_file(connection, file)
    return True
