"""Imports whose time is over lose all that the files held, and what was wrong with them."""

from typing import Any, Final

from kit.context import Context
from run_service.imports import store
from run_service.imports.kinds import Status

DISCARD_IMPORTS: Final = "discard imports"
"""The worker's name."""


async def discard_imports(context: Context[Any]) -> bool:
    """Discard one import that has expired, and tell whether there was one."""
    async with context.database.begin() as connection:
        import_ = await store.lock_expired_import(connection)
        if import_ is None:
            return False
        await store.delete_content(connection, import_)
        await store.delete_faults(connection, import_)
        is_over = import_.status in (Status.REFUSED, Status.PUBLISHED)
        status = import_.status if is_over else Status.DISCARDED
        await store.change_import(connection, import_, status=status, emptied=True)
        return True
