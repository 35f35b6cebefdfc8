"""What was published of cases: all that lies in Kafka, and what waits in the outbox.

It goes into the temporary table `audit_events`, some at a time, so memory stays small.
"""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.audit.difference import Difference
from kit import records

TOPICS: Final = ("collection.case.v1", "collection.member.v1")
"""What case-service alone writes to."""

_AT_A_TIME: Final = 5_000
_STALLS: Final = 30.0
"""Seconds without any message after which Kafka is taken to be away."""

_CREATE: Final = """
    CREATE TEMPORARY TABLE audit_events (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        type text NOT NULL,
        payload jsonb NOT NULL,
        case_id uuid NOT NULL GENERATED ALWAYS AS (CAST(payload ->> 'case_id' AS uuid)) STORED
    ) ON COMMIT DROP
"""
_OUTBOX: Final = text(
    """
    INSERT INTO audit_events (tenant_id, id, type, payload)
    SELECT tenantid, id, type, CAST(convert_from(payload, 'UTF8') AS jsonb)
    FROM outbox WHERE aggregatetype = ANY(:topics)
    """
)
_READY: Final = ("CREATE INDEX ON audit_events (tenant_id, case_id)", "ANALYZE audit_events")

Row = tuple[UUID, UUID, str, str]


async def gather_events(
    connection: AsyncConnection, kafka: str | None
) -> AsyncIterator[Difference]:
    """Fill `audit_events`; yield the messages that are no events.

    What was published before the transaction's snapshot is all there. Raises `KafkaError` when
    Kafka is away or lacks a topic. Without `kafka` the outbox alone is read.
    """
    await connection.execute(text(_CREATE))
    await connection.execute(_OUTBOX, {"topics": list(TOPICS)})
    if kafka is not None:
        async for batch in _messages(kafka):
            async for difference in _keep(connection, batch):
                yield difference
    for statement in _READY:
        await connection.execute(text(statement))


async def _messages(kafka: str) -> AsyncIterator[list[ConsumerRecord]]:
    """Read the topics from the beginning to where they end now."""
    records.read_everything()
    consumer = AIOKafkaConsumer(
        *TOPICS,
        bootstrap_servers=kafka.split(","),
        enable_auto_commit=False,
        # Not by seeking: where it would begin otherwise is asked for meanwhile, and may come last.
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    try:
        await consumer.start()
        places = list(consumer.assignment())  # without a group it has all partitions
        if {place.topic for place in places} != set(TOPICS):
            raise UnknownTopicOrPartitionError
        ends = await consumer.end_offsets(places)
        last_news = time.monotonic()
        while unread := [place for place in places if await consumer.position(place) < ends[place]]:
            found = await consumer.getmany(*unread, timeout_ms=1000, max_records=_AT_A_TIME)
            batch = [
                record
                for place, several in found.items()
                for record in several
                if record.offset < ends[place]
            ]
            if batch:
                last_news = time.monotonic()
                yield batch
            elif time.monotonic() - last_news > _STALLS:
                raise KafkaTimeoutError
    finally:
        await consumer.stop()


async def _keep(
    connection: AsyncConnection, batch: Sequence[ConsumerRecord]
) -> AsyncIterator[Difference]:
    rows = []
    for record in batch:
        row = _row(record)
        if row is None:
            yield _unreadable(record)
        else:
            rows.append((row, record))
    async for record in _copy(connection, rows):
        yield _unreadable(record)


def _row(record: ConsumerRecord) -> Row | None:
    """Return what is compared of a message, or None when it is no event."""
    headers = dict(record.headers)
    try:
        return (
            UUID(headers["ce_tenantid"].decode()),
            UUID(headers["ce_id"].decode()),
            headers["ce_type"].decode(),
            record.value.decode(),
        )
    except (KeyError, ValueError, AttributeError):
        return None


async def _copy(
    connection: AsyncConnection, rows: Sequence[tuple[Row, ConsumerRecord]]
) -> AsyncIterator[ConsumerRecord]:
    """Put rows into the table; yield the records of those that it cannot take: no JSON, no case."""
    if not rows:
        return
    try:
        async with connection.begin_nested():
            raw: Any = (await connection.get_raw_connection()).driver_connection
            await raw.copy_records_to_table(
                "audit_events",
                records=[row for row, _ in rows],
                columns=["tenant_id", "id", "type", "payload"],
            )
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
        if len(rows) == 1:
            yield rows[0][1]
            return
        half = len(rows) // 2  # whichever it is, it is found after a few more steps
        for part in (rows[:half], rows[half:]):
            async for record in _copy(connection, part):
                yield record


def _unreadable(record: ConsumerRecord) -> Difference:
    what = f"message {record.topic} {record.partition} {record.offset}"
    return Difference(None, None, what, "unreadable", "an event")
