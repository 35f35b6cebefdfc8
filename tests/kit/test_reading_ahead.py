"""While a batch is in hand the next one is taken; what cannot be taken is not lost."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher

from contracts import PartnerSnapshotV1
from kit.consumer import BATCH_RECORDS, WaitingConsumer
from kit.database import Database
from kit.inbox import Inbox
from kit.messages import Record
from tests.kit.deliveries import (
    MORE_THAN_A_BATCH,
    consuming,
    handled,
    has_all,
    send_more_than_a_batch,
    until,
)

TOPIC = PartnerSnapshotV1.TOPIC


async def test_the_next_batch_is_taken_while_one_is_in_hand(
    deliveries: Database, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    following: list[Sequence[Record]] = []
    handled_as: list[Sequence[Record]] = []
    handle = Inbox.handle

    async def look(inbox: Inbox, records: Sequence[Record], ahead: Sequence[Record]) -> None:
        handled_as.append(records)
        following.append(ahead)
        await handle(inbox, records, ahead)

    monkeypatch.setattr(Inbox, "handle", look)
    key = await send_more_than_a_batch(kafka)
    async with consuming(deliveries, kafka, "reading-ahead"):
        await until(lambda: has_all(deliveries, key, MORE_THAN_A_BATCH))
    assert any(ahead and ahead in handled_as for ahead in following)
    assert len(await handled(deliveries, key)) == MORE_THAN_A_BATCH


async def test_a_fault_in_what_is_taken_ahead_loses_nothing(
    deliveries: Database, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within aiokafka, which forgets then that nobody polls any more."""
    fetched_records = Fetcher.fetched_records
    counts: list[int] = []

    async def fail_unless_waiting(
        fetcher: Any, partitions: Any, timeout: float, **more: Any
    ) -> Any:
        counts.append(fetcher._subscriptions._fetch_count)
        if timeout == 0:
            raise IndexError("a record of control that is damaged")
        return await fetched_records(fetcher, partitions, timeout, **more)

    monkeypatch.setattr(Fetcher, "fetched_records", fail_unless_waiting)
    key = await send_more_than_a_batch(kafka)
    async with consuming(deliveries, kafka, "not-reading-ahead"):
        await until(lambda: has_all(deliveries, key, MORE_THAN_A_BATCH))
    assert len(await handled(deliveries, key)) == MORE_THAN_A_BATCH
    assert set(counts) == {1}


async def test_while_partitions_move_nothing_is_taken_and_nobody_waits(kafka: str) -> None:
    """aiokafka would wait for the new partitions, and they for the batch in hand: for ever."""
    reader = WaitingConsumer(TOPIC, bootstrap_servers=kafka, group_id="moving-ahead")
    await reader.start()
    try:
        reader._subscription.begin_reassignment()
        async with asyncio.timeout(10):
            assert await reader.take_fetched(BATCH_RECORDS) == ()
    finally:
        await reader.stop()
