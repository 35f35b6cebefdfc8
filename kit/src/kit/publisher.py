"""Sends the rows of an outbox to Kafka, in waves: all of a wave is acknowledged, or it failed.

Invariants, each with a failure behind it:

- One wave at a time, and one batch of a partition at a time: nothing that lies behind a row is
  with the producer before the row is acknowledged. So nothing overtakes a row that fails.
- At the first error the producer is thrown away: what it still holds could be sent later.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import chain, zip_longest
from typing import Any, Final
from uuid import UUID

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from contracts.envelope import Envelope
from kit.outbox import load_headers
from kit.partitions import hashes_of

log = structlog.stdlib.get_logger(__name__)

_BATCH_BYTES = 900_000
"""Below every topic's limit, which the broker applies to whole batches."""
_WAVE_SECONDS = 60
_START_ENDS_SECONDS = 5

Place = tuple[str, int]
"""A topic, and the number of a partition."""
Headers = Sequence[tuple[str, bytes | None]]


class NotSentError(Exception):
    """Kafka has not acknowledged everything; says by which kind of error that is known."""


@dataclass(frozen=True, slots=True)
class Wave:
    """Rows of the outbox, ready to be sent."""

    rows: Sequence[int]
    """The `seq` of each."""
    batches: Mapping[Place, Sequence[Any]]
    """What goes to each partition, in order."""
    producer: Any
    """The one that made the batches, and sends them."""


NOTHING: Final = Wave([], {}, None)
"""Without a row."""


class Publisher:
    """Publishes for one service, with one producer after the other."""

    def __init__(self, service: str, bootstrap_servers: str) -> None:
        self._source = f"/{service}"
        self._bootstrap_servers = bootstrap_servers
        self._producer: AIOKafkaProducer | None = None

    async def prepare(self, rows: Sequence[Any]) -> Wave:
        """Make a wave of rows. Raises `NotSentError` when Kafka does not answer."""
        if not rows:
            return NOTHING
        topics = {row["aggregatetype"] for row in rows}
        with _not_sent():
            producer = self._producer = self._producer or await self._start_producer()
            partitions = {topic: len(await producer.partitions_for(topic)) for topic in topics}
        keys = [row["aggregateid"].encode() for row in rows]
        hashes = hashes_of(keys)
        batches: defaultdict[Place, list[Any]] = defaultdict(list)
        for row, key in zip(rows, keys, strict=True):
            topic = row["aggregatetype"]
            timestamp, headers = self._timestamp_and_headers(row, key)
            record = (timestamp, key or None, row["payload"], headers)
            filled = batches[topic, hashes[key] % partitions[topic]]
            if not (filled and _append(filled[-1], *record)):
                filled.append(producer.create_batch())
                _append(filled[-1], *record)
        for batch in chain.from_iterable(batches.values()):
            batch.close()
        return Wave([row["seq"] for row in rows], batches, producer)

    def _timestamp_and_headers(self, row: Any, key: bytes) -> tuple[int, Headers]:
        timestamp, shared = _shared_headers(
            self._source, row["type"], row["time"], row["tenantid"], row["correlationid"]
        )
        if row["headers"] is not None:
            return timestamp, load_headers(json.loads(row["headers"]))
        headers = [*shared, ("ce_id", str(row["id"]).encode()), ("ce_subject", key)]
        if row["traceparent"] is not None:
            headers.append(("ce_traceparent", row["traceparent"].encode()))
        return timestamp, headers

    async def send(self, wave: Wave) -> None:
        """Send a wave and wait until all of it is acknowledged.

        Raises `NotSentError` when it is not: nobody knows then which rows are in Kafka.
        """
        with _not_sent():
            async with asyncio.timeout(_WAVE_SECONDS):
                for batches in zip_longest(*wave.batches.values()):
                    await asyncio.gather(
                        *[
                            await wave.producer.send_batch(batch, topic, partition=partition)
                            for (topic, partition), batch in zip(wave.batches, batches, strict=True)
                            if batch is not None
                        ]
                    )

    async def abandon(self) -> None:
        """Throw the producer away; what it holds is not sent (`stop()` would, or hang)."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await _abandon(producer)

    async def _start_producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=_BATCH_BYTES,
            max_request_size=8 * 1024 * 1024,
            request_timeout_ms=30_000,
        )
        start = asyncio.create_task(producer.start())
        try:
            await asyncio.shield(start)
        except BaseException:
            # aiokafka forgets its first connection, open, if it is cancelled before that answers.
            await asyncio.wait([start], timeout=_START_ENDS_SECONDS)
            start.cancel()
            await _abandon(producer)
            raise
        return producer


@contextmanager
def _not_sent() -> Iterator[None]:
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as error:
        raise NotSentError(type(error).__name__) from error


def _append(batch: Any, timestamp: int, key: bytes | None, value: bytes, headers: Headers) -> bool:
    """Add a record to a batch unless it is full."""
    return batch.append(timestamp=timestamp, key=key, value=value, headers=headers) is not None


@lru_cache(maxsize=1_000)
def _shared_headers(
    source: str, type_: str, time: datetime, tenant_id: UUID, correlation_id: str
) -> tuple[int, Headers]:
    """Return timestamp and headers that events of one cause have in common."""
    envelope = Envelope("", source, type_, time, "", tenant_id, correlation_id, None)
    own = ("ce_id", "ce_subject")
    headers = tuple(header for header in envelope.to_headers() if header[0] not in own)
    return int(time.timestamp() * 1000), headers


async def _abandon(producer: AIOKafkaProducer) -> None:
    sender = producer._sender._sender_task
    if sender is not None and not sender.done():
        sender.cancel()
        await asyncio.wait([sender], timeout=5)
    producer._closed = True
    try:
        async with asyncio.timeout(5):
            await producer.client.close()
    except Exception as error:
        log.warning("producer did not close", error=type(error).__name__)
