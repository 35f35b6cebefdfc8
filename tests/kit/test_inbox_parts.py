"""A large batch goes into several transactions at the same time, and nothing else changes."""

from typing import Any

import pytest
from sqlalchemy import text

from contracts import NoticeDueV1, NoticeSentV1, PartnerSnapshotV1
from kit.context import Context
from kit.database import Database
from kit.ids import new_id
from kit.inbox import Inbox
from kit.subscriptions import Batch, Subscriptions
from tests.kit.deliveries import handled, make_inbox, notice, partner, record_of

KEYS = 60


async def test_each_key_keeps_its_order(deliveries: Database) -> None:
    inbox, known = make_inbox(deliveries, transactions_at_once=2), partner()
    await inbox.handle([record_of(known)])
    cases = [new_id() for _ in range(KEYS)]
    types = [NoticeDueV1, NoticeSentV1, NoticeDueV1]
    records = [
        record_of(notice(type_, known.partner_id, case_id), f"{case_id}/{place}")
        for place, type_ in enumerate(types)
        for case_id in cases
    ]
    await inbox.handle(records)
    for case_id in cases:
        expected = [f"{case_id}/{place}" for place in range(len(types))]
        assert await handled(deliveries, str(case_id)) == expected


async def test_when_one_part_fails_all_is_handled_again_and_acts_once(
    deliveries: Database,
) -> None:
    subscriptions, fails = Subscriptions(), [True]
    partners = [partner() for _ in range(2 * KEYS)]

    @subscriptions.handles(PartnerSnapshotV1)
    async def write_down(batch: Batch[PartnerSnapshotV1]) -> None:
        for message in batch.messages:
            await batch.connection.execute(
                text("INSERT INTO handled (id, key, type) VALUES (:id, :key, 'x')"),
                {"id": message.id, "key": message.event.key()},
            )
        if partners[0] in [message.event for message in batch.messages] and fails:
            fails.clear()
            raise ConnectionError("the database is away")

    inbox = Inbox("notes", subscriptions, Context[Any](None, deliveries), 2)
    records = [record_of(event, event.key()) for event in partners]
    with pytest.raises(ConnectionError):
        await inbox.handle(records)
    async with deliveries.connect() as connection:
        committed = await connection.scalar(text("SELECT count(*) FROM handled"))
    assert 0 < committed < len(partners)
    await inbox.handle(records)
    for event in partners:
        assert await handled(deliveries, event.key()) == [event.key()]
