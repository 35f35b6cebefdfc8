"""A worker that takes its time: `python -m tests.export_service.slow_worker`.

Reads its settings from the environment, like the service.
"""

import asyncio
import time
from unittest.mock import patch

from export_service.exports import export_file, render_export
from export_service.exports.export_file import ExportFile
from export_service.exports.render_export import ExportRenderer
from export_service.settings import Settings
from kit.context import Context
from kit.database import Database

write_at_once = ExportFile.write


def write_slowly(file: ExportFile, data: bytes, /) -> None:
    """Lets every row out of the process, then rests."""
    write_at_once(file, data)
    time.sleep(0.02)


async def work() -> None:
    """Renders one row for each turn."""
    settings = Settings()
    context = Context(settings, Database(settings.database_url))
    renderer = ExportRenderer()
    while await renderer.turn(context):
        pass


if __name__ == "__main__":
    with (
        patch.object(render_export, "STORED_ROWS_PER_BATCH", 1),
        patch.object(export_file, "PART_BYTES", 500),
        patch.object(ExportFile, "write", write_slowly),
    ):
        asyncio.run(work())
