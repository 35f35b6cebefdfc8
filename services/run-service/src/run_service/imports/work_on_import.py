"""Imports are worked on in turn: one that is large, or that fails, holds no other up."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.context import Context
from run_service.imports import store
from run_service.imports.kinds import Status
from run_service.imports.store import LockedImport


async def work_on_import(
    context: Context[Any],
    status: Status,
    work: Callable[[AsyncConnection, LockedImport], Awaitable[None]],
) -> bool:
    """Do the next piece of work on the import that waits longest in a status, if there is one.

    The lock on the import lets one instance at a time work on it. One on which the work fails is
    tried again when the others have had their turn.
    """
    import_: LockedImport | None = None
    try:
        async with context.database.begin() as connection:
            import_ = await store.lock_import_to_do(connection, status)
            if import_ is None:
                return False
            await work(connection, import_)
            return True
    except Exception:
        if import_ is not None:
            async with context.database.begin() as connection:
                await store.postpone(connection, import_)
        raise
