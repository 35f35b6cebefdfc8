"""The relay publishes a service's outbox to Kafka: in order, at least once, by one leader.

Invariants, each with a failure behind it:

- The advisory lock, the fetches and the deletes share one connection: who loses the connection
  has lost the leadership with it, and deletes nothing any more.
- Rows are taken from the head of what is there, never by `seq > last`: ids commit out of order.
- One wave at a time. At its first error nothing behind the failed row is sent, the producer is
  thrown away (what it still holds could jump ahead) and a new one begins again at the head.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from contracts.envelope import Envelope
from kit import metrics
from kit.outbox import load_headers

log = structlog.stdlib.get_logger(__name__)

_WAVE_ROWS = 2_000
_WAVE_BYTES = 16 * 1024 * 1024
_BATCH_BYTES = 900_000
"""Below every topic's limit, which the broker applies to whole batches."""
_WAVE_SECONDS = 60
_LEADER_LOCK = 0x6F7574626F78
_STANDBY_PAUSE = 0.5
_IDLE_PAUSE = 1.0
_ERROR_PAUSE = 1.0

_LOST = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What comes when the session has ended, and the end of its connection was not heard yet.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)

# A row of any size goes alone in a wave if need be; more come along while they fit.
_FETCH = f"""
    SELECT seq, id, aggregatetype, aggregateid, type, payload, tenantid, correlationid,
           traceparent, time, headers
    FROM (
        SELECT *, sum(octet_length(payload)) OVER (ORDER BY seq) - octet_length(payload) AS ahead
        FROM (SELECT * FROM outbox ORDER BY seq LIMIT {_WAVE_ROWS}) AS head
    ) AS wave
    WHERE ahead < {_WAVE_BYTES}
    ORDER BY seq
"""  # noqa: S608 - constants
_DELETE = "DELETE FROM outbox WHERE seq = ANY ($1::bigint[])"

Headers = list[tuple[str, bytes | None]]


class Relay:
    """Publishes one service's outbox; any number of them may run, one leads."""

    def __init__(self, service: str, database_url: str, bootstrap_servers: str) -> None:
        self._source = f"/{service}"
        self._database_url = database_url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._bootstrap_servers = bootstrap_servers
        self._news = asyncio.Event()
        self.leads = False
        self.last_turn = time.monotonic()
        """When the relay last proved to be alive (monotonic seconds)."""

    async def run(self) -> None:
        """Publish until cancelled; survives the loss of database and Kafka."""
        while True:
            try:
                await self._with_connection()
            except _LOST as error:
                log.warning("relay lost its database", error=type(error).__name__)
                self.last_turn = time.monotonic()
                await asyncio.sleep(_ERROR_PAUSE)

    async def _with_connection(self) -> None:
        connection = await asyncpg.connect(
            self._database_url, timeout=10, command_timeout=60, server_settings={"jit": "off"}
        )
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LEADER_LOCK):
                self.last_turn = time.monotonic()
                await asyncio.sleep(_STANDBY_PAUSE)
            self.leads = True
            log.info("relay leads")
            await connection.add_listener("outbox", lambda *_: self._news.set())
            await self._lead(connection)
        finally:
            self.leads = False
            # Not a polite close: that would wait for a database that may be gone.
            connection.terminate()

    async def _lead(self, connection: Any) -> None:
        producer: AIOKafkaProducer | None = None
        try:
            while True:
                self.last_turn = time.monotonic()
                self._news.clear()
                rows = await connection.fetch(_FETCH)
                if not rows:
                    await self._wait_for_news()
                    continue
                try:
                    if producer is None:
                        producer = await self._start_producer()
                    async with asyncio.timeout(_WAVE_SECONDS):
                        await self._send(producer, rows)
                except (KafkaError, OSError, TimeoutError) as error:
                    log.warning("wave failed, again from the head", error=type(error).__name__)
                    if producer is not None:
                        await _abandon(producer)
                        producer = None
                    await asyncio.sleep(_ERROR_PAUSE)
                    continue
                await connection.execute(_DELETE, [row["seq"] for row in rows])
                metrics.relay_published_total.inc(len(rows))
        finally:
            if producer is not None:
                await _abandon(producer)

    async def _wait_for_news(self) -> None:
        # Not `wait_for`: woken and cancelled at once, it forgets that it was cancelled.
        with suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_PAUSE):
                await self._news.wait()

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
        try:
            await producer.start()
        except BaseException:
            await _abandon(producer)
            raise
        return producer

    async def _send(self, producer: AIOKafkaProducer, rows: Sequence[Any]) -> None:
        """Send rows and wait until the broker has acknowledged each; raises the first error."""
        sent: list[asyncio.Future[Any]] = []
        open_batches: dict[tuple[str, int], Any] = {}
        error: BaseException | None = None
        try:
            for row in rows:
                topic, key = row["aggregatetype"], row["aggregateid"].encode()
                place = (topic, partition_of(key, len(await producer.partitions_for(topic))))
                record = {
                    "timestamp": int(row["time"].timestamp() * 1000),
                    "key": key or None,
                    "value": row["payload"],
                    "headers": self._headers(row),
                }
                batch = open_batches.get(place) or producer.create_batch()
                if batch.append(**record) is None:
                    sent.append(await producer.send_batch(batch, topic, partition=place[1]))
                    batch = producer.create_batch()
                    batch.append(**record)
                open_batches[place] = batch
            for (topic, partition), batch in open_batches.items():
                batch.close()
                sent.append(await producer.send_batch(batch, topic, partition=partition))
        except (KafkaError, OSError) as failure:
            error = failure
        results = await asyncio.gather(*sent, return_exceptions=True)
        error = error or next((r for r in results if isinstance(r, BaseException)), None)
        if error is not None:
            raise error

    def _headers(self, row: Any) -> Headers:
        if row["headers"] is not None:
            return load_headers(json.loads(row["headers"]))
        envelope = Envelope(
            id=str(row["id"]),
            source=self._source,
            type=row["type"],
            time=row["time"],
            subject=row["aggregateid"],
            tenant_id=row["tenantid"],
            correlation_id=row["correlationid"],
            traceparent=row["traceparent"],
        )
        return list(envelope.to_headers())


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka's own Java client puts `key` into; 0 without a key."""
    return _positive_murmur2(key) % partitions if key else 0


@lru_cache(maxsize=100_000)
def _positive_murmur2(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Stop a producer without letting it send what it still holds (`stop()` would, or hang)."""
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
