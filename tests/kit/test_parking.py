"""What is parked goes before what came later under its key, also while somebody else tries it."""

import asyncio

from sqlalchemy import text

from contracts import NoticeDueV1, NoticeSentV1
from kit import parking
from kit.database import Database
from kit.ids import new_id
from kit.messages import KEEP_EVENTS, Record, read_message
from tests.kit.deliveries import make_inbox, notice, record_of, until

WAITS_FOR_A_LOCK = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def test_what_is_parked_again_meanwhile_is_not_overtaken(deliveries: Database) -> None:
    partner_id, case_id = new_id(), new_id()
    early = record_of(notice(NoticeDueV1, partner_id, case_id), "first")
    later = record_of(notice(NoticeSentV1, partner_id, case_id), "second")
    await make_inbox(deliveries).handle([early])

    async def take() -> list[Record]:
        async with deliveries.begin() as connection:
            found = await parking.take_same_keys(connection, [later])
            return [each.record for each in found]

    async def somebody_waits() -> bool:
        async with deliveries.connect() as connection:
            return bool(await connection.scalar(WAITS_FOR_A_LOCK))

    async with deliveries.begin() as connection:
        tried = await parking.take_same_keys(connection, [early])
        assert len(tried) == 1
        message = read_message(tried[0].record, KEEP_EVENTS)
        await parking.park(connection, [(message, f"partner:{partner_id}")], tried)
        taking = asyncio.create_task(take())
        await until(somebody_waits)
    assert [record.value for record in await taking] == [early.value]
