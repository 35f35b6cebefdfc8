"""Delete the files of exports that have expired: they hold personal data."""

import asyncio
from pathlib import Path
from typing import Final

from export_service.exports import store
from export_service.exports.export import stored_name
from export_service.settings import Settings
from kit.clock import now
from kit.context import Context

FILES_PER_ROUND: Final = 100


async def delete_expired_exports(context: Context[Settings]) -> bool:
    """Deletes some files that have expired; returns whether there may be more.

    A crash before the commit does no harm: the files are then deleted once more.
    """
    async with context.database.begin() as connection:
        expired = await store.mark_files_deleted(connection, now(), FILES_PER_ROUND)
        directory = context.settings.export_directory
        paths = [directory / stored_name(export_id, format_) for export_id, format_ in expired]
        await asyncio.to_thread(_delete, paths)
    return len(expired) == FILES_PER_ROUND


def _delete(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
