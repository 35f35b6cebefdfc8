"""What was handled acts once; what came too early acts later; what cannot work stands aside."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from contracts import Envelope, NoticeDueV1, NoticeSentV1, PartnerSnapshotV1
from kit import messages, metrics
from kit.context import Context
from kit.database import Database
from kit.ids import new_id
from kit.inbox import Inbox
from kit.messages import Message, Record
from kit.subscriptions import Batch, Subscriptions
from tests.kit.deliveries import handled, make_inbox, notice, partner, record_of

FAILS = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id = '{id}' THEN
        RAISE EXCEPTION 'chosen as the victim' USING ERRCODE = 'deadlock_detected';
    END IF;
    RETURN NEW;
END
$$
"""
FAILS_FIRST = "CREATE TRIGGER fail BEFORE INSERT ON handled FOR EACH ROW EXECUTE FUNCTION fail()"


async def dead_letters(database: Database) -> list[tuple[str, str]]:
    """Return topic and payload length of the dead letters in the outbox."""
    async with database.connect() as connection:
        rows = await connection.execute(
            text("SELECT aggregatetype, aggregateid FROM outbox WHERE type = 'dead-letter'")
        )
        return [(row[0], row[1]) for row in rows]


async def parked(database: Database) -> int:
    """Return how many messages are parked."""
    async with database.connect() as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM parked")) or 0)


async def make_due(database: Database) -> None:
    """Let the time of the next try come."""
    async with database.begin() as connection:
        await connection.execute(text("UPDATE parked SET next_try_at = now()"))


async def bring_unseen(database: Database, key: str) -> None:
    """Let a thing be there without its arrival being said."""
    async with database.begin() as connection:
        await connection.execute(
            text("INSERT INTO handled (id, key, type) VALUES ('x', :key, 'x')"), {"key": key}
        )


async def test_the_same_id_acts_once_within_and_across_batches(deliveries: Database) -> None:
    inbox, event = make_inbox(deliveries), partner()
    record = record_of(event, "one")
    await inbox.handle([record, record])
    await inbox.handle([record])
    assert await handled(deliveries, event.key()) == ["one"]


async def test_order_for_each_key_is_kept_across_types(deliveries: Database) -> None:
    inbox, known, case_id = make_inbox(deliveries), partner(), new_id()
    types = [NoticeDueV1, NoticeSentV1, NoticeSentV1, NoticeDueV1, NoticeSentV1]
    notices = [notice(type_, known.partner_id, case_id) for type_ in types]
    records = [record_of(event, f"n{place}") for place, event in enumerate(notices)]
    await inbox.handle([record_of(known), *records])
    assert await handled(deliveries, str(case_id)) == ["n0", "n1", "n2", "n3", "n4"]


async def test_what_is_read_ahead_acts_in_its_order_and_stands_aside_if_it_is_no_message(
    deliveries: Database,
) -> None:
    inbox, known = make_inbox(deliveries), partner()
    cases = [new_id() for _ in range(40)]
    batches = [
        [
            record_of(notice(type_, known.partner_id, case_id), f"{place} of {case_id}")
            for case_id in cases
        ]
        for place, type_ in enumerate([NoticeDueV1, NoticeSentV1, NoticeDueV1])
    ]
    batches[1].append(batches[1][0]._replace(value=b"{", offset=1))
    await inbox.handle([record_of(known)], batches[0])
    await inbox.handle(batches[0], batches[1])
    await inbox.handle(batches[1], batches[2])
    await inbox.handle(batches[2])
    for case_id in cases:
        expected = [f"{place} of {case_id}" for place in range(3)]
        assert await handled(deliveries, str(case_id)) == expected
    assert await dead_letters(deliveries) == [(f"{batches[1][0].topic}.dlq", "")]


async def test_order_for_each_key_is_kept_in_transactions_at_the_same_time(
    deliveries: Database,
) -> None:
    inbox = make_inbox(deliveries, batch_parts=2)
    cases = [new_id() for _ in range(30)]
    known = partner()
    await inbox.handle([record_of(known)])
    records = [
        record_of(notice(type_, known.partner_id, case_id), f"{place} of {case_id}")
        for place, type_ in enumerate([NoticeDueV1, NoticeSentV1, NoticeSentV1, NoticeDueV1])
        for case_id in cases
    ]
    await inbox.handle([*records, *records])
    for case_id in cases:
        expected = [f"{place} of {case_id}" for place in range(4)]
        assert await handled(deliveries, str(case_id)) == expected


def test_a_message_is_made_of_its_envelope_by_place() -> None:
    assert Message._fields[1:-1] == Envelope._fields


async def test_what_is_parted_by_another_key_goes_into_the_transaction_of_that_key(
    deliveries: Database,
) -> None:
    """But what has one key stays together: its order counts more."""
    subscriptions, places = Subscriptions(worth_parting=[NoticeDueV1]), dict[str, str]()

    @subscriptions.handles(PartnerSnapshotV1)
    async def take_partners(batch: Batch[PartnerSnapshotV1]) -> None:
        await write_down(batch)

    @subscriptions.handles(NoticeDueV1, parted_by=lambda notice: str(notice.partner_id))
    async def take_notices(batch: Batch[NoticeDueV1]) -> None:
        await write_down(batch)

    async def write_down(batch: Batch[Any]) -> None:
        transaction = await batch.connection.scalar(text("SELECT pg_current_xact_id()::text"))
        places.update({message.id: transaction for message in batch.messages})

    context = Context[Any](None, deliveries)
    inbox = Inbox("note-service", subscriptions, context, batch_parts=2)
    partners, cases = [partner() for _ in range(20)], [new_id() for _ in range(40)]
    records = [record_of(each, each.key()) for each in partners]
    for number in range(100):
        case_id, with_whom = cases[number % 40], partners[number % 20].partner_id
        records.append(record_of(notice(NoticeDueV1, with_whom, case_id), f"due {number}"))
    moved = [notice(NoticeDueV1, each.partner_id, cases[0]) for each in partners]
    records += [record_of(each, f"moved {number}") for number, each in enumerate(moved)]
    await inbox.handle(records)
    assert len(set(places.values())) == 2
    for number in range(100):
        assert places[f"due {number}"] == places[partners[number % 20].key()]
    assert {places[f"moved {number}"] for number in range(20)} == {places["due 0"]}
    places.clear()
    await inbox.handle([record_of(partner()) for _ in range(200)])
    assert len(set(places.values())) == 1


async def test_a_batch_that_failed_in_one_transaction_is_handled_as_a_whole_again(
    deliveries: Database,
) -> None:
    """What the other one had committed acts once."""
    inbox = make_inbox(deliveries, batch_parts=2)
    good = [partner() for _ in range(100)]
    unlucky = partner()
    records = [record_of(event, event.key()) for event in (*good, unlucky)]
    async with deliveries.begin() as connection:
        await connection.execute(text(FAILS.format(id=unlucky.key())))
        await connection.execute(text(FAILS_FIRST))
    with pytest.raises(DBAPIError):
        await inbox.handle(records)
    async with deliveries.begin() as connection:
        await connection.execute(text("DROP FUNCTION fail() CASCADE"))
    some = [await handled(deliveries, event.key()) for event in good]
    assert 0 < sum(map(len, some)) < len(good)
    await inbox.handle(records)
    for event in (*good, unlucky):
        assert await handled(deliveries, event.key()) == [event.key()]


async def test_a_fault_of_ours_while_reading_holds_up_no_other_record(
    deliveries: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, good, faulty = make_inbox(deliveries), partner(), partner()

    def read_message(record: Record, keeps: messages.Keeps) -> Message[Any]:
        if record.key == faulty.key().encode():
            raise ZeroDivisionError
        return messages.read_message(record, keeps)

    monkeypatch.setattr("kit.inbox.read_message", read_message)
    await inbox.handle([record_of(faulty, offset=1), record_of(good, "good", offset=2)])
    assert await handled(deliveries, good.key()) == ["good"]
    assert await dead_letters(deliveries) == [(f"{good.TOPIC}.dlq", "")]


async def test_a_handler_gets_what_it_keeps_of_an_event(deliveries: Database) -> None:
    """At once, and after it was parked; what cannot be made of an event holds up no other."""
    subscriptions, got = Subscriptions(), list[str]()

    def name_of(event: PartnerSnapshotV1) -> str:
        if event.name == "BROKEN":
            raise ValueError("no name")
        return event.name

    @subscriptions.handles(PartnerSnapshotV1, keeps=name_of)
    async def take_names(batch: Batch[str]) -> None:
        for message in batch.messages:
            got.append(message.event)
            if message.event == "Early" and "Late" not in got:
                batch.park(message, "partner:Late")
            batch.arrived([f"partner:{message.event}"])

    inbox = Inbox("note-service", subscriptions, Context[Any](None, deliveries))
    early, broken, late = partner("Early"), partner("BROKEN"), partner("Late")
    await inbox.handle([record_of(early)])
    await inbox.handle([record_of(broken), record_of(late)])
    assert got == ["Early", "Late", "Early"]
    assert await dead_letters(deliveries) == [(f"{broken.TOPIC}.dlq", "")]


async def test_what_a_fault_kept_from_being_kept_can_be_replayed(deliveries: Database) -> None:
    """Also when it was parked before the fault came in: its id is in the inbox."""
    got = list[str]()

    def release(keeps: Callable[[NoticeDueV1], str]) -> Inbox:
        subscriptions = Subscriptions()

        @subscriptions.handles(NoticeDueV1, keeps=keeps)
        async def take(batch: Batch[str]) -> None:
            for message in batch.messages:
                got.append(message.event)
                batch.park(message, f"partner:{message.event}")

        return Inbox("note-service", subscriptions, Context[Any](None, deliveries))

    def fail(notice: NoticeDueV1) -> str:
        raise ValueError(notice.kind)

    early = record_of(notice(NoticeDueV1, new_id(), new_id()))
    good, bad = release(lambda notice: notice.kind), release(fail)
    await good.handle([early])
    async with deliveries.begin() as connection:
        await connection.execute(text("UPDATE parked SET next_try_at = now()"))
    await bad.retry_parked()
    assert len(await dead_letters(deliveries)) == 1
    await good.handle([early])
    assert got == ["STOP", "STOP"]


async def test_what_came_too_early_acts_when_its_thing_arrives(deliveries: Database) -> None:
    inbox, known, case_id = make_inbox(deliveries), partner(), new_id()
    early = [
        record_of(notice(NoticeDueV1, known.partner_id, case_id), "due"),
        record_of(notice(NoticeSentV1, known.partner_id, case_id), "sent"),
    ]
    await inbox.handle(early)
    assert await parked(deliveries) == 2
    assert await handled(deliveries, str(case_id)) == []
    await inbox.handle([record_of(known)])
    assert await handled(deliveries, str(case_id)) == ["due", "sent"]
    assert await parked(deliveries) == 0
    await inbox.handle(early)
    assert await handled(deliveries, str(case_id)) == ["due", "sent"]


async def test_what_is_parked_under_a_key_goes_before_what_comes_later(
    deliveries: Database,
) -> None:
    """Even when the arrival did not see what was parked."""
    inbox, known, case_id = make_inbox(deliveries), partner(), new_id()
    await inbox.handle([record_of(notice(NoticeDueV1, known.partner_id, case_id), "first")])
    await bring_unseen(deliveries, known.key())
    await inbox.handle([record_of(notice(NoticeSentV1, known.partner_id, case_id), "second")])
    assert await handled(deliveries, str(case_id)) == ["first", "second"]


async def test_parking_that_no_arrival_saw_is_tried_again(deliveries: Database) -> None:
    """The transaction that parks and the one that brings the thing may miss each other."""
    inbox, known, case_id = make_inbox(deliveries), partner(), new_id()
    await inbox.handle([record_of(notice(NoticeDueV1, known.partner_id, case_id), "due")])
    await bring_unseen(deliveries, known.key())
    assert not await inbox.retry_parked()
    await make_due(deliveries)
    assert await inbox.retry_parked()
    assert await handled(deliveries, str(case_id)) == ["due"]


async def test_what_is_due_again_does_not_overtake_what_was_parked_before_it(
    deliveries: Database,
) -> None:
    """Who was tried more often waits longer: the other of the same key is due first."""
    inbox, known, case_id = make_inbox(deliveries), partner(), new_id()
    await inbox.handle([record_of(notice(NoticeDueV1, known.partner_id, case_id), "first")])
    await inbox.handle([record_of(notice(NoticeSentV1, known.partner_id, case_id), "second")])
    await bring_unseen(deliveries, known.key())
    async with deliveries.begin() as connection:
        await connection.execute(text("UPDATE parked SET next_try_at = now() WHERE tries = 0"))
    assert await inbox.retry_parked()
    assert await handled(deliveries, str(case_id)) == ["first", "second"]


async def test_a_broken_message_is_buried_and_its_neighbours_act(deliveries: Database) -> None:
    inbox = make_inbox(deliveries)
    good = [partner() for _ in range(5)]
    records = [record_of(event, event.key(), offset=10 + at) for at, event in enumerate(good)]
    records.insert(2, record_of(partner("BROKEN"), offset=1))
    records.insert(4, record_of(partner("REFUSED"), offset=2))
    records.append(Record("partner.partner.v1", 0, 3, b"k", b"no json", ()))
    await inbox.handle(records)
    for event in good:
        assert await handled(deliveries, event.key()) == [event.key()]
    assert len(await dead_letters(deliveries)) == 3
    await inbox.handle(records)
    assert len(await dead_letters(deliveries)) == 3, "read again after a crash: buried once"


async def test_only_what_is_committed_is_counted(deliveries: Database) -> None:
    """What was parked breaks after its arrival was handled: both are rolled back, tried alone."""
    inbox, known = make_inbox(deliveries), partner()
    early = record_of(notice(NoticeDueV1, known.partner_id, new_id()), "due")
    async with deliveries.begin() as connection:
        await connection.execute(text("ALTER TABLE handled ADD CHECK (id <> 'due')"))
    before = counted(known.TYPE)
    await inbox.handle([early, record_of(known, offset=1)])
    assert counted(known.TYPE) - before == 1


def counted(type_: str) -> float:
    """Return how many messages of a type are counted as handled."""
    return metrics.registry.get_sample_value("messages_handled_total", {"type": type_}) or 0


async def test_a_buried_message_acts_when_it_comes_back_after_a_fix(deliveries: Database) -> None:
    inbox, event = make_inbox(deliveries), partner("REFUSED")
    await inbox.handle([record_of(event, "again", offset=1)])
    assert len(await dead_letters(deliveries)) == 1
    fixed = record_of(event.model_copy(update={"name": "Jetzt recht"}), "again", offset=2)
    await inbox.handle([fixed])
    await inbox.handle([fixed])
    assert await handled(deliveries, event.key()) == ["again"]


async def test_a_parked_message_that_breaks_does_not_take_its_neighbours_along(
    deliveries: Database,
) -> None:
    inbox, known, case_id = make_inbox(deliveries), partner(), new_id()
    await inbox.handle([record_of(notice(NoticeDueV1, known.partner_id, case_id), "due")])
    async with deliveries.begin() as connection:
        await connection.execute(text("UPDATE parked SET value = 'no json'"))
    await inbox.handle(
        [record_of(known), record_of(notice(NoticeSentV1, known.partner_id, case_id), "sent")]
    )
    assert await handled(deliveries, str(case_id)) == ["sent"]
    assert len(await dead_letters(deliveries)) == 1


async def test_a_parked_message_that_breaks_its_handler_does_not_stop_the_arrival(
    deliveries: Database,
) -> None:
    inbox, known, case_id = make_inbox(deliveries), partner(), new_id()
    await inbox.handle([record_of(notice(NoticeDueV1, known.partner_id, case_id), "due")])
    async with deliveries.begin() as connection:
        await connection.execute(text("ALTER TABLE handled ADD CHECK (id <> 'due')"))
    await inbox.handle([record_of(known, "arrival")])
    assert await handled(deliveries, known.key()) == ["arrival"]
    assert await inbox.retry_parked()
    assert (await parked(deliveries), len(await dead_letters(deliveries))) == (0, 1)


async def test_who_waits_too_long_becomes_a_dead_letter(deliveries: Database) -> None:
    inbox = make_inbox(deliveries)
    await inbox.handle([record_of(notice(NoticeDueV1, new_id(), new_id()), "due")])
    async with deliveries.begin() as connection:
        await connection.execute(text("UPDATE parked SET parked_at = now() - interval '31 days'"))
    await make_due(deliveries)
    assert await inbox.retry_parked()
    assert (await parked(deliveries), len(await dead_letters(deliveries))) == (0, 1)
