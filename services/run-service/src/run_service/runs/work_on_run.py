"""Runs are worked on in turn: one that fails holds no other up."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from kit.context import Context
from kit.database import is_temporary
from run_service.runs.store import LockedRun, change_run

_PAUSE: Final = timedelta(minutes=1)


async def work_on_run(
    context: Context[Any],
    lock_next: Callable[[AsyncConnection], Awaitable[LockedRun | None]],
    work: Callable[[AsyncConnection, LockedRun], Awaitable[None]],
    *,
    postponed_by: str,
) -> bool:
    """Do the next piece of work on the run that `lock_next` finds, and tell whether there was one.

    The lock lets one instance at a time work on a run. One on which the work fails is tried again
    after a minute: the column `postponed_by` says when, and `lock_next` passes it over until then.
    """
    run: LockedRun | None = None
    try:
        async with context.database.begin() as connection:
            run = await lock_next(connection)
            if run is None:
                return False
            await work(connection, run)
            return True
    except Exception as error:
        if run is not None and not is_temporary(error):
            async with context.database.begin() as connection:
                await change_run(connection, run, **{postponed_by: now() + _PAUSE})
        raise
