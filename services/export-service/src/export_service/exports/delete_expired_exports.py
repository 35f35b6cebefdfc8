"""Delete the files of exports that have expired: they hold personal data."""

import asyncio
from itertools import chain
from typing import Final

from export_service.exports import store
from export_service.exports.export_file import ExportFiles
from export_service.settings import Settings
from kit.clock import now
from kit.context import Context

EXPORTS_PER_ROUND: Final = 100


async def delete_expired_exports(context: Context[Settings]) -> bool:
    """Deletes what is left of some exports that have expired; returns whether there may be more.

    A crash before the commit does no harm: the files are then deleted once more.
    """
    async with context.database.begin() as connection:
        expired = await store.take_expired_exports(connection, now(), EXPORTS_PER_ROUND)
        names = list(chain.from_iterable(expired))
        if names:
            await asyncio.to_thread(context.one(ExportFiles).delete, names)
    return len(expired) == EXPORTS_PER_ROUND
