"""Reading many rows in the order of an index, batch by batch."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_NO_SORT: Final = text("SET LOCAL enable_sort = off")


async def read_in_order(connection: AsyncConnection) -> None:
    """Lets the statements of this transaction read rows off an index instead of sorting them.

    PostgreSQL expects a small tenant, whatever is true (`kit.plumbing.expect_new_tenants`). Of a
    run with a million rows it would collect all and sort them, anew for each batch.
    """
    await connection.execute(_NO_SORT)
