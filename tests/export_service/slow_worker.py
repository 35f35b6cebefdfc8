"""A worker that takes its time: `python -m tests.export_service.slow_worker <directory>`.

Reads its other settings from the environment, like the service.
"""

import asyncio
import time

from export_service.exports import render_export
from export_service.exports.export_file import ExportFile
from export_service.exports.render_export import ExportRenderer
from export_service.settings import Settings
from kit.context import Context
from kit.database import Database

write_at_once = ExportFile.write


def write_slowly(file: ExportFile, data: bytes, /) -> None:
    """Puts every row on the disk, then rests."""
    write_at_once(file, data)
    file.sync()
    time.sleep(0.1)


async def work() -> None:
    """Renders one row for each turn."""
    settings = Settings()
    context = Context(settings, Database(settings.database_url))
    renderer = ExportRenderer()
    while await renderer.turn(context):
        pass


if __name__ == "__main__":
    render_export.ROWS_PER_BATCH = 1
    ExportFile.write = write_slowly  # type: ignore[method-assign]
    asyncio.run(work())
