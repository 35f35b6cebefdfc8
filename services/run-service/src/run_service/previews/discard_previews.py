"""Expired previews lose their members: nobody needs that personal data any more."""

from typing import Any

from kit.context import Context
from run_service.previews.store import discard_preview


async def discard_previews(context: Context[Any]) -> bool:
    """Discard one expired preview, and tell whether there was one."""
    async with context.database.begin() as connection:
        return await discard_preview(connection)
