"""A small service for the tests of delivery: writes down what it handled, in order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from sqlalchemy import text

from contracts import Envelope, Event, NoticeDueV1, NoticeSentV1, PartnerSnapshotV1
from kit.clock import now
from kit.consumer import BATCH_RECORDS, Consumer
from kit.context import Context
from kit.database import Database
from kit.ids import new_id
from kit.inbox import Inbox
from kit.messages import Record
from kit.subscriptions import Batch, Subscriptions
from kit.topics import wanted_topics
from kit.trace import Cause

LIMIT = 60.0
"""Seconds after which something hangs, on a machine under load too."""
MORE_THAN_A_BATCH = BATCH_RECORDS + 200

subscriptions = Subscriptions()


@subscriptions.handles(PartnerSnapshotV1)
async def write_down_partners(batch: Batch[PartnerSnapshotV1]) -> None:
    """Partners arrive; one named BROKEN breaks the handler, one named REFUSED is rejected."""
    for message in batch.messages:
        if message.event.name == "BROKEN":
            raise ValueError("a rule that this message breaks")
        if message.event.name == "REFUSED":
            batch.reject(message, "refused by a rule")
            continue
        await _write_down(batch, message.id, message.event)
        batch.arrived([f"partner:{message.event.partner_id}"])


@subscriptions.handles(NoticeDueV1)
async def write_down_due(batch: Batch[NoticeDueV1]) -> None:
    """Notices wait for their partner."""
    await _write_down_when_partner_is_there(batch)


@subscriptions.handles(NoticeSentV1)
async def write_down_sent(batch: Batch[NoticeSentV1]) -> None:
    """Notices wait for their partner."""
    await _write_down_when_partner_is_there(batch)


async def _write_down_when_partner_is_there(batch: Batch[Any]) -> None:
    known = "SELECT count(*) FROM handled WHERE key = :key"
    for message in batch.messages:
        key = str(message.event.partner_id)
        if await batch.connection.scalar(text(known), {"key": key}):
            await _write_down(batch, message.id, message.event)
        else:
            batch.park(message, f"partner:{key}")


async def _write_down(batch: Batch[Any], id_: str, event: Event) -> None:
    await batch.connection.execute(
        text("INSERT INTO handled (id, key, type) VALUES (:id, :key, :type)"),
        {"id": id_, "key": event.key(), "type": event.TYPE},
    )


async def handled(database: Database, key: str) -> list[str]:
    """Return the ids that were handled under a key, in order."""
    async with database.connect() as connection:
        rows = await connection.execute(
            text("SELECT id FROM handled WHERE key = :key ORDER BY place"), {"key": key}
        )
        return list(rows.scalars())


def partner(name: str = "Beispiel Inkasso", partner_id: UUID | None = None) -> PartnerSnapshotV1:
    """Return an event without personal data."""
    return PartnerSnapshotV1(
        partner_id=partner_id or new_id(),
        sequence=1,
        name=name,
        channel="BY_HAND",
        status="ACTIVE",
        file_number_pattern=None,
    )


def notice(event_class: type[Any], partner_id: UUID, case_id: UUID) -> Any:
    """Return a notice of a partner's case."""
    more = {"due_on": now().date()} if event_class is NoticeDueV1 else {"attempt": 1}
    return event_class(
        notice_id=new_id(),
        case_id=case_id,
        run_id=new_id(),
        member_id=new_id(),
        partner_id=partner_id,
        kind="STOP",
        occurred_at=now(),
        **more,
    )


def cause() -> Cause:
    """Return the cause of an event that begins a story."""
    return Cause(new_id(), str(new_id()), None)


def headers_of(event: Event, id_: str | None = None) -> list[tuple[str, bytes]]:
    """Return the headers of an event as another system would write them."""
    envelope = Envelope(
        id=id_ or str(new_id()),
        source="/elsewhere",
        type=event.TYPE,
        time=now(),
        subject=event.key(),
        tenant_id=new_id(),
        correlation_id=str(new_id()),
        traceparent=None,
    )
    return list(envelope.to_headers())


def record_of(event: Event, id_: str | None = None, *, offset: int = 0) -> Record:
    """Return the record that an event is in Kafka."""
    return Record(
        event.TOPIC,
        0,
        offset,
        event.key().encode(),
        event.model_dump_json().encode(),
        tuple(headers_of(event, id_)),
    )


def make_inbox(database: Database, name: str = "note-service", batch_parts: int = 1) -> Inbox:
    """Return an inbox with the handlers above."""
    return Inbox(name, subscriptions, Context[Any](None, database), batch_parts)


class RingingInbox(Inbox):
    """Rings whenever records were handled and committed."""

    def __init__(self, database: Database, name: str) -> None:
        super().__init__(name, subscriptions, Context[Any](None, database))
        self.committed = asyncio.Event()

    async def handle(self, records: Sequence[Record], following: Sequence[Record] = ()) -> None:
        """Handle records, then ring."""
        await super().handle(records, following)
        self.committed.set()


@asynccontextmanager
async def consuming(
    database: Database, bootstrap_servers: str, group: str, inbox: Inbox | None = None
) -> AsyncIterator[Consumer]:
    """Run a consumer of the small service."""
    inbox = inbox or make_inbox(database, group)
    consumer = Consumer(group, subscriptions.topics, inbox, bootstrap_servers)
    task = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def producing(bootstrap_servers: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """Run a producer of some other system."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def has_all(database: Database, key: str, number: int) -> bool:
    """Tell whether so many messages of a key were handled."""
    return len(await handled(database, key)) >= number


async def send_more_than_a_batch(kafka: str) -> str:
    """Publish messages of one key; return it."""
    known = partner()
    async with producing(kafka, linger_ms=100) as producer:
        events = [partner(partner_id=known.partner_id) for _ in range(MORE_THAN_A_BATCH)]
        await asyncio.gather(*(send(producer, event) for event in events))
    return known.key()


async def send(producer: AIOKafkaProducer, event: Event, id_: str | None = None) -> None:
    """Publish an event as another system would."""
    await producer.send_and_wait(
        event.TOPIC,
        event.model_dump_json().encode(),
        key=event.key().encode(),
        headers=headers_of(event, id_),
    )


async def ends_of(bootstrap_servers: str, topic: str) -> dict[TopicPartition, int]:
    """Return where each partition of a topic ends now."""
    async with _assigned(bootstrap_servers, topic) as (consumer, places):
        return dict(await consumer.end_offsets(places))


async def read_from(
    bootstrap_servers: str,
    starts: dict[TopicPartition, int],
    enough: Callable[[Sequence[ConsumerRecord]], bool],
) -> list[ConsumerRecord]:
    """Read on from offsets until `enough` holds; fails after the limit."""
    (topic,) = {place.topic for place in starts}
    found: list[ConsumerRecord] = []
    async with _assigned(bootstrap_servers, topic) as (consumer, _), asyncio.timeout(LIMIT):
        for place, offset in starts.items():
            consumer.seek(place, offset)
        while not enough(found):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(records)
    return found


@asynccontextmanager
async def _assigned(
    bootstrap_servers: str, topic: str
) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        count, _ = wanted_topics(replication=1)[topic]
        places = [TopicPartition(topic, number) for number in range(count)]
        consumer.assign(places)
        yield consumer, places
    finally:
        await consumer.stop()


async def until(condition: Callable[[], Awaitable[bool]], limit: float = LIMIT) -> None:
    """Wait for a condition; fails after the limit (seconds)."""
    async with asyncio.timeout(limit):
        while not await condition():
            await asyncio.sleep(0.02)
