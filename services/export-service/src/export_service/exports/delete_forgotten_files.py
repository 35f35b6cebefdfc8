"""Delete files that no export knows of: they hold personal data, too."""

import asyncio
from datetime import timedelta
from typing import Final

from export_service.exports.export_file import ExportFiles
from export_service.settings import Settings
from kit.clock import now
from kit.context import Context

GRACE: Final = timedelta(days=1)
"""So long after its time a file is left to `delete_expired_exports`."""


async def delete_forgotten_files(context: Context[Settings]) -> bool:
    """Deletes files that are older than any export's file may be; False, for it does so at once.

    Some are left by a worker that died between writing a file and saying so, after its export had
    ended. Others belong to exports that a restored database has never heard of.
    """
    oldest = now() - context.settings.export_lifetime - GRACE
    await asyncio.to_thread(context.one(ExportFiles).delete_older, oldest)
    return False
