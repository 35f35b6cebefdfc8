"""Delete the rows of old runs: they hold personal data. The members overview keeps its cases."""

from datetime import timedelta
from typing import Final

from export_service.plan_anew import plan_anew
from export_service.runs import store
from export_service.settings import Settings
from kit.clock import now, today
from kit.context import Context

ROWS_PER_ROUND: Final = 5000


async def delete_old_run_details(context: Context[Settings]) -> bool:
    """Deletes some rows whose time is over; returns whether there may be more."""
    settings = context.settings
    before = today(settings.time_zone) - timedelta(days=settings.run_details_days)
    async with context.database.begin() as connection:
        await plan_anew(connection)
        return await store.delete_rows_before(connection, before, now(), ROWS_PER_ROUND)
