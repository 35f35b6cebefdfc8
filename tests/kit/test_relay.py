"""The relay publishes every row, in order for each key, by one leader."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.metadata import MetadataRequest
from sqlalchemy import Row, text

from contracts import Envelope, PartnerSnapshotV1
from kit import relay
from kit.database import Database
from kit.ids import new_id
from kit.outbox import publish
from kit.relay import Relay
from kit.topics import wanted_topics
from tests.kit.deliveries import LIMIT, cause, ends_of, partner, read_from, until

TOPIC = PartnerSnapshotV1.TOPIC


@asynccontextmanager
async def relaying(database_url: str, kafka: str) -> AsyncIterator[Relay]:
    """Run a relay."""
    relay = Relay("note-service", database_url, kafka)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.wait([task])


async def outbox_is_empty(database: Database) -> bool:
    """Tell whether everything was published."""
    async with database.connect() as connection:
        return await connection.scalar(text("SELECT min(seq) FROM outbox")) is None


@pytest.fixture
def never_looks_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the relay hear of rows, or not find them at all."""
    monkeypatch.setattr(relay, "_IDLE_PAUSE", 3_600)


@pytest.mark.usefixtures("never_looks_unasked")
async def test_a_transaction_that_commits_late_is_not_missed(
    deliveries: Database, database_url: str, kafka: str
) -> None:
    starts = await ends_of(kafka, TOPIC)
    early, late = partner(), partner()
    async with relaying(database_url, kafka):
        async with deliveries.begin() as slow:
            await publish(slow, [(early, cause())])
            async with deliveries.begin() as quick:
                await publish(quick, [(late, cause())])
            await read_from(kafka, starts, lambda found: len(found) == 1)
        found = await read_from(kafka, starts, lambda found: len(found) == 2)
    assert {record.key.decode() for record in found} == {early.key(), late.key()}


async def test_two_relays_keep_the_order_for_each_key_while_leaders_die(
    deliveries: Database, database_url: str, kafka: str
) -> None:
    """Many writers, each key's writes serialised by its row; leaders lose their connection."""
    starts = await ends_of(kafka, TOPIC)
    keys = [partner().partner_id for _ in range(8)]
    await make_counters(deliveries, keys)
    async with relaying(database_url, kafka) as one, relaying(database_url, kafka) as two:
        async with asyncio.TaskGroup() as writers:
            for seed in range(4):
                writers.create_task(write(deliveries, keys, random.Random(seed), 60))
            writers.create_task(kill_leaders(deliveries, 4))
        await until(lambda: outbox_is_empty(deliveries))
        await until(partial(one_leads, one, two))  # one that was ended hears of it a little later
    total = 4 * 60
    found = await read_from(kafka, starts, lambda got: len({id_of(r) for r in got}) == total)
    seen = sequences_of(found)
    assert sum(len(numbers) for numbers in seen.values()) == total
    for numbers in seen.values():
        assert numbers == sorted(numbers)


async def one_leads(*relays: Relay) -> bool:
    """Tell whether just one of the relays takes itself for the leader."""
    return [relay.leads for relay in relays].count(True) == 1


def id_of(record: Any) -> str:
    """Return the ce_id of a record."""
    return str(dict(record.headers)["ce_id"].decode())


async def make_counters(database: Database, keys: list[UUID]) -> None:
    """Make one row for each key, as an aggregate would be."""
    async with database.begin() as connection:
        await connection.execute(text("CREATE TABLE counters (key uuid PRIMARY KEY, value int)"))
        await connection.execute(
            text("INSERT INTO counters SELECT unnest(CAST(:keys AS uuid[])), 0"), {"keys": keys}
        )


async def write(database: Database, keys: list[UUID], chance: random.Random, times: int) -> None:
    """Lock a row, then publish what it counts: the order that the relay must keep."""
    for _ in range(times):
        key = chance.choice(keys)
        async with database.begin() as connection:
            value = await connection.scalar(
                text("UPDATE counters SET value = value + 1 WHERE key = :key RETURNING value"),
                {"key": key},
            )
            event = partner(partner_id=key).model_copy(update={"sequence": value})
            await publish(connection, [(event, cause())])
            await asyncio.sleep(chance.random() / 200)


async def kill_leaders(database: Database, times: int) -> None:
    """End the connection of whoever leads, again and again."""
    for _ in range(times):
        await asyncio.sleep(0.3)
        await end_sessions_of_leaders(database)


async def end_sessions_of_leaders(database: Database) -> None:
    """End the session of whoever leads."""
    async with database.begin() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                "AND granted AND database = "
                "(SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )


async def test_a_relay_goes_on_when_its_session_ends_before_its_connection(
    deliveries: Database, database_url: str, kafka: str
) -> None:
    """PostgreSQL says that it ends the session; that the connection ends is heard later."""
    starts = await ends_of(kafka, TOPIC)
    async with hearing_no_end(database_url) as (url, ended), relaying(url, kafka) as relay:
        await until(partial(leads, relay))
        await end_sessions_of_leaders(deliveries)
        async with asyncio.timeout(LIMIT):
            await ended.wait()
        event = partner()
        async with deliveries.begin() as connection:
            await publish(connection, [(event, cause())])
        found = await read_from(kafka, starts, bool)
    assert [record.key.decode() for record in found] == [event.key()]


async def leads(relay: Relay) -> bool:
    """Tell whether a relay has the lead."""
    return relay.leads


@asynccontextmanager
async def hearing_no_end(database_url: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Pass on all that is said to a database and by it, but not that the database hangs up.

    Yields the address for that, and what tells that the database has hung up once.
    """
    target = urlsplit(database_url)
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_database, to_database = await asyncio.open_connection(target.hostname, target.port)

        async def answer() -> None:
            await pass_on(from_database, writer)
            ended.set()

        answering = asyncio.create_task(answer())
        await pass_on(reader, to_database)
        to_database.close()
        await answering
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield target._replace(netloc=target.netloc.replace(str(target.port), str(port))).geturl(), ended
    server.close()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Write down whatever is read, to its end."""
    with suppress(ConnectionError):
        while content := await reader.read(65_536):
            writer.write(content)
            await writer.drain()


async def test_an_event_larger_than_its_topic_takes_is_refused_at_the_door(
    deliveries: Database,
) -> None:
    large = partner().model_copy(update={"name": "x" * 1_048_576})
    with pytest.raises(ValueError, match="larger than"):
        async with deliveries.begin() as connection:
            await publish(connection, [(large, cause())])


async def test_large_events_of_the_allowed_size_pass(
    deliveries: Database, database_url: str, kafka: str
) -> None:
    starts = await ends_of(kafka, TOPIC)
    large = partner().model_copy(update={"name": "x" * 900_000})
    async with deliveries.begin() as connection:
        await publish(connection, [(large, cause()) for _ in range(5)])
    async with relaying(database_url, kafka):
        await until(lambda: outbox_is_empty(deliveries))
    found = await read_from(kafka, starts, lambda found: len(found) == 5)
    assert {record.key.decode() for record in found} == {large.key()}


async def test_every_header_of_the_envelope_is_there_for_each_event(
    deliveries: Database, database_url: str, kafka: str
) -> None:
    starts = await ends_of(kafka, TOPIC)
    sent = [(partner(), cause()) for _ in range(3)]
    async with deliveries.begin() as connection:
        ids = await publish(connection, sent)
    async with relaying(database_url, kafka):
        found = await read_from(kafka, starts, lambda found: len(found) == len(sent))
    by_id = {id_of(record): record for record in found}
    for id_, (event, its_cause) in zip(ids, sent, strict=True):
        record = by_id[str(id_)]
        envelope = Envelope.from_headers(record.headers)
        assert sorted(envelope.to_headers()) == sorted(record.headers)
        assert (envelope.type, envelope.subject) == (event.TYPE, event.key())
        assert envelope.source == "/note-service"
        assert envelope.tenant_id == its_cause.tenant_id
        assert envelope.correlation_id == its_cause.correlation_id
        assert envelope.traceparent
        assert record.timestamp == int(envelope.time.timestamp() * 1000)


async def test_a_relay_that_is_stopped_while_it_connects_leaves_no_connection(
    deliveries: Database, database_url: str, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections: list[AIOKafkaConnection] = []
    connects = asyncio.Event()
    send = AIOKafkaConnection.send

    def noticed(self: AIOKafkaConnection, request: Any, *arguments: Any) -> Any:
        connections.append(self)
        if isinstance(request, MetadataRequest):
            connects.set()
        return send(self, request, *arguments)

    monkeypatch.setattr(AIOKafkaConnection, "send", noticed)
    await publish_partners(deliveries, 1)
    async with relaying(database_url, kafka):
        await connects.wait()
    assert not any(connection.connected() for connection in connections)


@pytest.mark.usefixtures("never_looks_unasked")
async def test_a_large_outbox_after_a_small_one_is_read_in_its_order_only(
    deliveries: Database, database_url: str, kafka: str
) -> None:
    """PostgreSQL keeps the plan for a few rows: by that it would sort all of them for each wave."""
    small, large = 10, 3_000
    before = await counted(deliveries)
    async with relaying(database_url, kafka):
        for _ in range(small):  # a plan is kept from the sixth time on
            await publish_partners(deliveries, 1)
            await until(lambda: outbox_is_empty(deliveries))
        await publish_partners(deliveries, large)
        await until(lambda: outbox_is_empty(deliveries))

    async def all_is_counted() -> bool:
        return bool((await counted(deliveries)).deleted >= before.deleted + small + large)

    await until(all_is_counted)
    assert (await counted(deliveries)).read_out_of_order == before.read_out_of_order


async def counted(database: Database) -> Row[tuple[int, int]]:
    """Return how many rows of the outbox were deleted, and how many read otherwise than in order.

    A session's part is counted when it ends, or a little after what it did.
    """
    async with database.connect() as connection:
        counts = await connection.execute(
            text(
                "SELECT n_tup_del AS deleted, seq_tup_read AS read_out_of_order "
                "FROM pg_stat_user_tables WHERE relname = 'outbox'"
            )
        )
        return counts.one()


async def publish_partners(database: Database, count: int) -> None:
    """Publish so many events at once."""
    async with database.begin() as connection:
        await publish(connection, [(partner(), cause()) for _ in range(count)])


@pytest.mark.usefixtures("never_looks_unasked")
async def test_order_is_kept_over_many_batches_and_waves(
    deliveries: Database, database_url: str, kafka: str
) -> None:
    """Waves of few rows and of many; what goes to a partition takes several batches."""
    starts = await ends_of(kafka, TOPIC)
    chance = random.Random(1)
    keys = [new_id() for _ in range(12)]
    events = numbered(keys, [chance.choice((10, 400, 60_000)) for _ in range(1_200)])
    async with deliveries.begin() as connection:
        ids = await publish(connection, [(event, cause()) for event in events])
    async with relaying(database_url, kafka):
        await until(lambda: outbox_is_empty(deliveries))
    found = await read_from(kafka, starts, lambda found: len(found) == len(ids))
    assert {id_of(record) for record in found} == {str(id_) for id_ in ids}
    for key, numbers in sequences_of(found).items():
        assert numbers == sorted(numbers), key


async def test_nothing_overtakes_a_batch_that_the_broker_refuses(
    deliveries: Database, database_url: str, kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What lies behind the batch would fit, and is held back until the broker takes the batch."""
    key = new_id()
    events = numbered([key], [90_000] * 12 + [10] * 3)
    starts = await ends_of(kafka, TOPIC)
    await configure(kafka, **{"max.message.bytes": "500000"})
    try:
        async with deliveries.begin() as connection:
            await publish(connection, [(event, cause()) for event in events])
        async with relaying(database_url, kafka):
            await until(partial(has_failed, caplog, 2))
            assert await ends_of(kafka, TOPIC) == starts
            await configure(kafka)
            await until(lambda: outbox_is_empty(deliveries))
    finally:
        await configure(kafka)
    found = await read_from(kafka, starts, lambda found: len(found) == len(events))
    assert sequences_of(found) == {str(key).encode(): list(range(len(events)))}


def numbered(keys: list[UUID], sizes: list[int]) -> list[PartnerSnapshotV1]:
    """Return events of these sizes, of each key in turn, counted on for each key."""
    return [
        partner(partner_id=keys[place % len(keys)]).model_copy(
            update={"sequence": place // len(keys), "name": "x" * size}
        )
        for place, size in enumerate(sizes)
    ]


def sequences_of(found: Sequence[Any]) -> defaultdict[bytes, list[int]]:
    """Return the numbers of each key's events as they first came."""
    seen: defaultdict[bytes, list[int]] = defaultdict(list)
    known: set[str] = set()
    for record in found:
        if id_of(record) not in known:  # a repeat keeps its id: readers drop it
            known.add(id_of(record))
            seen[record.key].append(json.loads(record.value)["sequence"])
    return seen


async def configure(kafka: str, **settings: str) -> None:
    """Give the topic its listed settings, but for these; wait until the broker has them."""
    _, listed = wanted_topics(replication=1)[TOPIC]
    wanted = {**listed, **settings}

    async def is_done() -> bool:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC)])
        ((*_, found),) = answer.resources
        return wanted.items() <= {name: value for name, value, *_ in found}.items()

    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, TOPIC, configs=wanted)
        await admin.alter_configs([resource])
        await until(is_done)
    finally:
        await admin.close()


async def has_failed(caplog: pytest.LogCaptureFixture, times: int) -> bool:
    """Tell whether waves failed so often."""
    return caplog.text.count("wave failed") >= times
