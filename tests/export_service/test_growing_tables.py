"""Cases are looked up by their keys also right after the table grew, while statistics say less.

PostgreSQL counts tables from time to time (`ANALYZE`, by autovacuum), and keeps plans until then.
"""

from collections.abc import Sequence

from sqlalchemy import text

from contracts import Event
from export_service.subscribers import subscriptions
from kit.inbox import Inbox
from tests.databases import count_rows
from tests.export_service.case_events import numbered, opened
from tests.export_service.handed_over import record, run_of
from tests.export_service.ordering import TENANT, ServiceContext

SMALL, LARGE, BATCH = 40, 2_500, 500
READ = text("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'cases'")


async def test_a_large_run_after_a_small_one_looks_its_cases_up_by_their_keys(
    context: ServiceContext, database_url: str
) -> None:
    inbox = Inbox("export-service", subscriptions, context)
    _, members = run_of(members=SMALL + LARGE)
    small, large = members[:SMALL], members[SMALL:]

    async def hear(events: Sequence[Event]) -> None:
        for start in range(0, len(events), BATCH):
            await inbox.handle([record(TENANT, each) for each in events[start : start + BATCH]])

    await hear(small)
    await hear([opened(member) for member in small])
    await count_rows(database_url)
    for number in range(10):  # PostgreSQL keeps the plan of what was executed five times
        await hear([numbered(member, f"AZ-{number}") for member in small[:4]])
    await hear(large)
    await hear([opened(member) for member in large])
    await hear([numbered(member, "AZ-1") for member in large[:-BATCH]])
    before = await _rows_read_in_order(context)
    await hear([numbered(member, "AZ-1") for member in large[-BATCH:]])
    assert await _rows_read_in_order(context) == before


async def _rows_read_in_order(context: ServiceContext) -> int:
    """Return how many cases the one connection that is in use has read without an index."""
    async with context.database.begin() as connection:
        await connection.execute(text("SELECT pg_stat_force_next_flush()"))
    async with context.database.begin() as connection:
        return int(await connection.scalar(READ) or 0)
