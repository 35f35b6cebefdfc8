"""Rows are looked up by indexes also right after their tables grew, while statistics say otherwise.

PostgreSQL counts tables from time to time (`ANALYZE`, by autovacuum), and keeps plans until then.
"""

from collections.abc import Sequence

from case_service.subscribers import subscriptions
from contracts import Event
from kit.ids import new_id
from kit.inbox import Inbox
from tests.case_service.world import World, claim, handover, paid
from tests.databases import count_rows, rows_read

SMALL, LARGE, BATCH = 40, 2_500, 500
READ_FOR_A_CASE = 40
"""Rows of all tables, with those that triggers look at."""


async def test_a_large_run_after_a_small_one_looks_its_cases_up_by_indexes(
    world: World, database_url: str
) -> None:
    inbox = Inbox("case-service", subscriptions, world.context)
    run_id = new_id()
    cases = [handover(claim(), claim(), run_id=run_id) for _ in range(SMALL + LARGE)]
    small, large = cases[:SMALL], cases[SMALL:]
    await _deliver(world, inbox, small)
    await _deliver(world, inbox, [paid(case, "5.00") for case in small])
    await count_rows(database_url)
    for case in small[:10]:  # PostgreSQL keeps the plan of what was executed five times
        await _deliver(world, inbox, [case, paid(case, "5.00", reference="again")])
    await _deliver(world, inbox, large[:-BATCH])
    before = await rows_read(world.context.database)
    await _deliver(world, inbox, large[-BATCH:])
    await _deliver(world, inbox, [paid(case, "5.00") for case in large[-BATCH:]])
    assert await rows_read(world.context.database) - before <= READ_FOR_A_CASE * BATCH


async def _deliver(world: World, inbox: Inbox, events: Sequence[Event]) -> None:
    for start in range(0, len(events), BATCH):
        await inbox.handle([world.record(event) for event in events[start : start + BATCH]])
