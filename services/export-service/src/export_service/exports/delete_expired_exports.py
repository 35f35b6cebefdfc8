"""Delete the files of exports that have expired: they hold personal data."""

import asyncio
from itertools import chain
from typing import Final

from export_service.exports import expired
from export_service.exports.export_file import ExportFiles
from export_service.settings import Settings
from kit.context import Context

EXPORTS_PER_ROUND: Final = 100


async def delete_expired_exports(context: Context[Settings]) -> bool:
    """Deletes what is left of some exports that have expired; returns whether there may be more.

    What cannot be deleted keeps no other file, and is tried again later. A crash before the commit
    does no harm: the files are then deleted once more.
    """
    async with context.database.begin() as connection:
        names = await expired.take_expired_exports(connection, EXPORTS_PER_ROUND)
        left = await asyncio.to_thread(
            context.one(ExportFiles).delete, list(chain.from_iterable(names.values()))
        )
        kept = {export_id for export_id, of_export in names.items() if left.intersection(of_export)}
        await expired.note_deleted(connection, names.keys() - kept)
        await expired.note_not_deleted(connection, kept)
    return len(names) == EXPORTS_PER_ROUND
