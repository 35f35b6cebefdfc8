"""Changing sets of rows in tables that grow quickly."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_NO_KEPT_PLANS: Final = text("SET LOCAL plan_cache_mode = force_custom_plan")


async def plan_anew(connection: AsyncConnection) -> None:
    """Lets the statements of this transaction be planned for the tables as they are now.

    PostgreSQL would go on with the plan that it made while the tables were nearly empty: for each
    batch of a first large run it would read all rows, until it next analyzes the table.
    """
    await connection.execute(_NO_KEPT_PLANS)
