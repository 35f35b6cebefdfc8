"""How fast the relay empties an outbox, beside librdkafka with the same rows.

Not part of the tests: `make bench` runs it, against a real PostgreSQL and a real Kafka that both
keep what they are told. An outbox gets 30,000 events of 2.8 kB (`ROWS=…` for more), three of each
key, in one transaction; measured is from its commit to the moment when the outbox is empty. In
turn, several times each, publish the same events:

- the relay;
- librdkafka as a relay: it takes the same steps with the same statements. It reads as many rows at
  a time while those before are sent by confluent-kafka, waits for the acknowledgements, deletes;
- librdkafka alone: keys, values and headers are ready in memory, no database is there at all. No
  relay can be as fast; it shows what the rest costs.

"What librdkafka does with the same rows" is the second of these, and the limit is against that. All
producers are idempotent and wait for all replicas. What each published is read then: everything is
there once, in order for each key, and each key where librdkafka puts it when it is told to choose
as the Java client does.
"""

import asyncio
import gc
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest
import uvloop
from confluent_kafka import Consumer, Producer, TopicPartition
from tests.benchmarks.handovers import handovers
from tests.benchmarks.measuring import Figure
from tests.benchmarks.service_process import ServiceProcess, case_service

from contracts import Envelope, MemberHandedOverV1
from kit import metrics
from kit.ids import new_id
from kit.relay import Relay
from kit.topics import wanted_topics
from local_stack.data import Population

ROWS = int(os.environ.get("ROWS", "30000"))
ROUNDS = 3
AT_LEAST = 20_000
SHARE_OF_LIBRDKAFKA = 0.6
TOPIC: Final = MemberHandedOverV1.TOPIC
_BYTES = 2_800
_EVENTS_OF_A_KEY = 3
_BATCH = 500
_MEMBERS = 1_000
"""So many different handovers are enough."""
_COLUMNS = (
    "id", "aggregatetype", "aggregateid", "type", "payload", "tenantid", "correlationid",
    "traceparent", "time",
)  # fmt: skip
_SECONDS = 120.0
_PAUSE = 0.005

_FETCH = f"""
    SELECT seq, {", ".join(_COLUMNS)} FROM outbox WHERE seq NOT IN (SELECT unnest($1::bigint[]))
    ORDER BY seq LIMIT {_BATCH}
"""
_DELETE = "DELETE FROM outbox WHERE seq = ANY ($1::bigint[])"

Row = Sequence[Any]
"""A row of the outbox: the columns above."""
Headers = Sequence[tuple[str, bytes]]


class Published(NamedTuple):
    """An event in Kafka."""

    key: bytes
    partition: int
    id: bytes


@dataclass
class Way:
    """A way to publish, and what its rounds took."""

    what: str
    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Events a second, in the round in the middle."""
        return ROWS / median(self.seconds)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure a round."""
        started, processor = time.perf_counter(), time.process_time()
        yield
        self.seconds.append(time.perf_counter() - started)
        self.processor_seconds.append(time.process_time() - processor)

    def forget(self) -> None:
        """Forget the rounds."""
        self.seconds.clear()
        self.processor_seconds.clear()

    def show(self) -> None:
        """Print what was measured."""
        rates = ", ".join(f"{ROWS / seconds:,.0f}" for seconds in self.seconds)
        show(Figure(self.what, self.rate, "events/s", compared=f"rounds: {rates}"))
        show(Figure("  processor time of its process", median(self.processor_seconds), "s"))


@pytest.mark.timeout(1_200)
def test_the_relay_is_nearly_as_fast_as_librdkafka(tmp_path: Path) -> None:
    # As in a service: what was loaded stays for good, and objects are made by the hundred thousand.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)
    with (
        case_service(tmp_path) as service,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        relay, other_relay, alone = runner.run(measure(service))
    for way in (relay, other_relay, alone):
        way.show()
    for other in (other_relay, alone):
        show(Figure(f"the relay is as fast as {other.what}", relay.rate / other.rate, "times"))
    assert relay.rate >= SHARE_OF_LIBRDKAFKA * other_relay.rate
    assert relay.rate >= AT_LEAST


async def measure(service: ServiceProcess) -> Sequence[Way]:
    """Let each way publish the same events, in turn, and check what came of it."""
    servers, url = service.kafka.bootstrap_servers, service.postgres.url(service.database)
    bodies, topic = payloads(), Topic(servers)
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
        }
    )
    connection = await asyncpg.connect(url)
    relay, other_relay, alone = ways = [
        Way("the relay"), Way("librdkafka as a relay"), Way("librdkafka alone"),
    ]  # fmt: skip
    for number in range(1 + ROUNDS):
        rows, before = rows_of(bodies, service.tenant_id), published()
        async with relaying(url, servers):
            await fill(connection, rows[:1])
            await until_empty(connection)  # it leads and has its producer
            await fill(connection, rows[1:])
            with relay.measured():
                await until_published(before + ROWS)
                await until_empty(connection)
        partitions = check(topic.new(), rows)
        await fill(connection, rows)
        with other_relay.measured():
            await relay_with(producer, connection)
        assert check(topic.new(), rows) == partitions
        await until_empty(connection)
        messages = [(row, headers_of(row)) for row in rows]
        with alone.measured():
            for row, headers in messages:
                send(producer, row, headers)
            producer.flush()
        assert check(topic.new(), rows) == partitions
        if number == 0:  # everybody is warm now
            for way in ways:
                way.forget()
    topic.close()
    await connection.close()
    return ways


def show(figure: Figure) -> None:
    """Print a figure."""
    print(figure, flush=True)  # noqa: T201  what a benchmark is for


# What is published


def payloads() -> Sequence[bytes]:
    """Return what an event says, for each row: handovers, cut to the size."""
    today = datetime.now(UTC).date()
    population = Population(members=_MEMBERS, today=today)
    text = b"".join(
        event.model_dump_json().encode() for event in handovers(population, uuid4(), today)
    )
    starts = range(0, len(text) - _BYTES, _BYTES)
    return [text[start : start + _BYTES] for start in starts]


def rows_of(bodies: Sequence[bytes], tenant_id: UUID) -> Sequence[Row]:
    """Return events as a service adds them to its outbox; those of a key lie far apart."""
    keys = [str(new_id()) for _ in range(ROWS // _EVENTS_OF_A_KEY)]
    cause, time = str(uuid4()), datetime.now(UTC)
    return [
        (
            new_id(),
            TOPIC,
            keys[number % len(keys)],
            MemberHandedOverV1.TYPE,
            bodies[number % len(bodies)],
            tenant_id,
            cause,
            f"00-{uuid4().hex}-{uuid4().hex[:16]}-01",
            time,
        )
        for number in range(ROWS)
    ]


async def fill(connection: Any, rows: Sequence[Row]) -> None:
    """Add rows to the outbox."""
    await connection.copy_records_to_table("outbox", columns=_COLUMNS, records=rows)


def headers_of(row: Row) -> Headers:
    """Return the headers that an event has in Kafka."""
    id_, _, key, type_, _, *cause, traceparent, time = row
    own = [("ce_id", str(id_)), ("ce_subject", key), ("ce_traceparent", traceparent)]
    return [*shared_headers(type_, *cause, time), *((name, text.encode()) for name, text in own)]


@cache
def shared_headers(type_: str, tenant_id: UUID, correlation_id: str, time: datetime) -> Headers:
    """Return the headers that events of one cause share."""
    envelope = Envelope("", "/run-service", type_, time, "", tenant_id, correlation_id, None)
    return [each for each in envelope.to_headers() if each[0] not in ("ce_id", "ce_subject")]


# Who publishes it


@asynccontextmanager
async def relaying(url: str, servers: str) -> AsyncIterator[None]:
    """Run the relay."""
    task = asyncio.create_task(Relay("run-service", url, servers).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until_published(events: float) -> None:
    """Wait until Kafka has acknowledged so many in all; that asks no database."""
    async with asyncio.timeout(_SECONDS):
        while published() < events:
            await asyncio.sleep(_PAUSE)


def published() -> float:
    """Return how many events Kafka has acknowledged to the relay."""
    return metrics.registry.get_sample_value("relay_published_total") or 0


async def until_empty(connection: Any) -> None:
    """Wait until the outbox has no row; the last one goes last."""
    async with asyncio.timeout(_SECONDS):
        while await connection.fetchval("SELECT max(seq) FROM outbox"):
            await asyncio.sleep(_PAUSE)


async def relay_with(producer: Any, connection: Any) -> None:
    """Empty the outbox; librdkafka sends on threads of its own while the next rows are fetched."""
    rows = await connection.fetch(_FETCH, [])
    while rows:
        for _, *row in rows:
            send(producer, row, headers_of(row))
        seqs = [row["seq"] for row in rows]
        rows = await connection.fetch(_FETCH, seqs)
        assert producer.flush() == 0
        await connection.execute(_DELETE, seqs)


def send(producer: Any, row: Row, headers: Headers) -> None:
    """Hand an event to librdkafka; waits while that has no room."""
    _, topic, key, _, payload, *_ = row
    while True:
        try:
            producer.produce(topic, payload, key, headers=headers)
        except BufferError:
            producer.poll(_PAUSE)
        else:
            return


# What came of it


class Topic:
    """The topic, read on from where the last reading ended."""

    def __init__(self, servers: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "benchmark",
                "enable.auto.commit": False,
                "check.crcs": True,
            }
        )
        partitions, _ = wanted_topics(replication=1)[TOPIC]
        self._places = [TopicPartition(TOPIC, number, 0) for number in range(partitions)]

    def new(self) -> Sequence[Published]:
        """Return the events that came since the last time, as they lie in each partition."""
        found: list[Published] = []
        for place in self._places:
            _, end = self._consumer.get_watermark_offsets(place, timeout=_SECONDS)
            self._consumer.assign([place])
            while place.offset < end:
                messages = self._consumer.consume(min(_BATCH, end - place.offset), timeout=1)
                found += [seen(message) for message in messages]
                place.offset += len(messages)
        return found

    def close(self) -> None:
        """Read no more."""
        self._consumer.close()


def seen(message: Any) -> Published:
    """Return what is looked at of a message."""
    return Published(message.key(), message.partition(), dict(message.headers())["ce_id"])


def check(found: Sequence[Published], rows: Sequence[Row]) -> dict[bytes, set[int]]:
    """Check that all is there once, in order for each key; return the partitions of each."""
    expected: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for id_, _, key, *_ in rows:
        expected[key.encode()].append(str(id_).encode())
    ids: defaultdict[bytes, list[bytes]] = defaultdict(list)
    partitions: defaultdict[bytes, set[int]] = defaultdict(set)
    for each in found:
        ids[each.key].append(each.id)
        partitions[each.key].add(each.partition)
    assert ids == expected
    return partitions
