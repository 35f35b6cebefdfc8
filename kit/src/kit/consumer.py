"""The loop that reads Kafka for a service: FastStream's batch subscriber, made safe.

FastStream brings the loop, its life cycle and the group; what it would lose or double is held
here (why and how: docs/decisions/0002-consumer.md):

- every record comes out, also an unreadable one (`kit.records`), and FastStream's own parsing,
  which drops a whole batch for one bad header, is left out;
- offsets are committed by us, after the database transaction, for exactly what was handled;
- a batch that may work later is tried again in place, with a pause, and never skipped;
- partitions are let go only between batches.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

from kit import metrics, records
from kit.database import is_temporary
from kit.inbox import Inbox
from kit.messages import Record

log = structlog.stdlib.get_logger(__name__)

Place = tuple[str, int]
"""A topic, and the number of a partition; equal to aiokafka's `TopicPartition`."""

BATCH_RECORDS: Final = 1_000
_POLL_MS: Final = 500
_FIRST_PAUSE: Final = 0.2
_LAST_PAUSE: Final = 10.0
_GRACE: Final = 30.0
"""Seconds that a batch in hand gets to end when the service stops or partitions move."""
_BATCH_HANGS: Final = 240.0
_PING_SECONDS: Final = 2


class WaitingConsumer(AIOKafkaConsumer):
    """Waits inside `getmany` until records are there.

    FastStream sleeps after each empty poll; with a wait in the poll itself a record is handled
    as soon as it is fetched.
    """

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Return records as soon as there are some, nothing after half a second."""
        return await self._poll(*partitions, timeout_ms=max(timeout_ms, _POLL_MS), most=max_records)

    async def take_fetched(self, most: int) -> Sequence[ConsumerRecord]:
        """Return what was fetched already, perhaps nothing; never waits, and raises nothing.

        While partitions move there is nothing: aiokafka would wait for the new ones, and those for
        the batch in hand. That batch would be lost with an error: one that lasts comes again with
        the next fetch.
        """
        if self._subscription.reassignment_in_progress:
            return ()
        try:
            fetched = await self._poll(timeout_ms=0, most=most)
        except Exception as error:
            log.error("nothing is taken in advance", exc_info=error)
            return ()
        return list(chain.from_iterable(fetched.values()))

    async def _poll(
        self, *partitions: TopicPartition, timeout_ms: int, most: int | None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        try:
            found: dict[TopicPartition, list[ConsumerRecord]] = await super().getmany(
                *partitions, timeout_ms=timeout_ms, max_records=most
            )
            return found
        except BaseException:
            # aiokafka counts polls under way and forgets to count down: with a count that never
            # returns to zero the limit between two polls would not be enforced any more.
            self._subscription._fetch_count = 0
            raise


class Consumer(ConsumerRebalanceListener):
    """One group member that reads all topics of a service."""

    def __init__(
        self, group: str, topics: Sequence[str], inbox: Inbox, bootstrap_servers: str
    ) -> None:
        self._group = group
        self._topics = topics
        self._inbox = inbox
        self._bootstrap_servers = bootstrap_servers
        self._broker: KafkaBroker | None = None
        self._kafka: WaitingConsumer | None = None
        self._busy = asyncio.Lock()
        self._busy_since: float | None = None
        self._stops = False
        self._let_go = asyncio.Event()
        """Set from the moment that partitions are to go until new ones are ours: no batch begins,
        and one that waits for its next try is given up. What is given up is not committed, and
        read again from the last commit by whoever has the partition next."""

    async def run(self) -> None:
        """Read until cancelled; waits for Kafka when it is away at the start."""
        records.read_everything()
        pause = _FIRST_PAUSE
        while True:
            broker = self._make_broker()
            try:
                await self._read_with(broker)
            except (KafkaError, OSError) as error:
                log.warning("kafka is not reachable", error=type(error).__name__)
            finally:
                # However far it came: a member of the group that nobody stops keeps its partitions.
                await broker.stop()
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_PAUSE)

    async def _read_with(self, broker: KafkaBroker) -> None:
        """Read until cancelled; raises KafkaError or OSError if Kafka is away at the start."""
        try:
            await broker.connect()
            # The seam: FastStream makes its consumer with this, and sets it when it connects.
            broker.config.broker_config.builder = self._make_consumer
            await broker.start()
            self._broker = broker
            log.info("consumer started", group=self._group, topics=list(self._topics))
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self._stops = True
            self._let_go.set()
            raise

    def _make_broker(self) -> KafkaBroker:
        broker = KafkaBroker(
            self._bootstrap_servers.split(","),
            client_id=self._group,
            consumer_only=True,
            allow_auto_create_topics=False,
            graceful_timeout=_GRACE,
            apply_types=False,
            logger=logging.getLogger("faststream"),
        )
        broker.subscriber(
            *self._topics,
            group_id=self._group,
            batch=True,
            max_records=BATCH_RECORDS,
            batch_timeout_ms=1,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=4 * 1024 * 1024,
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_000,
            rebalance_timeout_ms=60_000,
            max_poll_interval_ms=300_000,
            listener=self,
            parser=_leave_unparsed,
            decoder=_raw_records,
        )(self._consume)
        return broker

    def _make_consumer(self, **options: Any) -> WaitingConsumer:
        self._kafka = WaitingConsumer(
            bootstrap_servers=self._bootstrap_servers.split(","), **options
        )
        return self._kafka

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Let the batch in hand end and be committed before the partitions go."""
        self._let_go.set()
        async with self._busy:
            pass
        metrics.consumer_lag.clear()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Begin anew with the partitions that are ours now."""
        if not self._stops:
            self._let_go.clear()

    async def _consume(self, polled: Sequence[ConsumerRecord]) -> None:
        """Handle what was polled, and what has been fetched meanwhile, until there is no more.

        So the inbox always has a batch to read while the database works on the one before it.
        """
        assert self._kafka is not None
        async with self._busy:
            batch = self._ours(polled)
            while batch and not self._let_go.is_set():
                following = self._ours(await self._kafka.take_fetched(BATCH_RECORDS))
                if not await self._handle(batch, following):
                    return
                await self._commit(_ends(batch))
                batch = following

    def _ours(self, polled: Sequence[ConsumerRecord]) -> Sequence[Record]:
        assert self._kafka is not None
        ours = self._kafka.assignment()
        return [_record(each) for each in polled if _partition(each) in ours]

    async def _handle(self, batch: Sequence[Record], following: Sequence[Record]) -> bool:
        """Handle a batch, as often as it takes; False if it was given up for another member."""
        pause = _FIRST_PAUSE
        while True:
            self._busy_since = time.monotonic()
            try:
                await self._inbox.handle(batch, following)
                return True
            except Exception as error:
                level = log.warning if is_temporary(error) else log.error
                level("batch failed, again after a pause", pause=pause, exc_info=error)
            finally:
                self._busy_since = None
            try:
                async with asyncio.timeout(pause):
                    await self._let_go.wait()
                return False
            except TimeoutError:
                pause = min(pause * 2, _LAST_PAUSE)

    async def _commit(self, ends: Mapping[Place, int]) -> None:
        assert self._kafka is not None
        ours = self._kafka.assignment()
        self._busy_since = time.monotonic()
        try:
            await self._kafka.commit(
                {TopicPartition(*place): end for place, end in ends.items() if place in ours}
            )
        except (CommitFailedError, IllegalStateError):
            log.warning("partitions have moved on; the inbox drops what comes twice")
        except KafkaError as error:
            log.warning("commit failed; the next one covers it", error=type(error).__name__)
        finally:
            self._busy_since = None

    def measure_lag(self) -> None:
        """Set the lag metric of each partition that is ours, from what the last fetch told."""
        subscription = self._kafka._subscription.subscription if self._kafka else None
        if subscription is None or subscription.assignment is None:
            return
        for place in subscription.assignment.tps:
            state = subscription.assignment.state_value(place)
            if state.highwater is not None and state.has_valid_position:
                lag = max(state.highwater - state.position, 0)
                metrics.consumer_lag.labels(place.topic, str(place.partition)).set(lag)

    def troubles(self) -> list[str]:
        """Say what keeps the loop from making progress; empty when all is well.

        Not reaching Kafka at the start is no trouble of the loop: it waits, and readiness tells.
        """
        if self._broker is None or self._kafka is None:
            return []
        found = []
        if self._busy_since is not None and time.monotonic() - self._busy_since > _BATCH_HANGS:
            found.append("a batch hangs")
        coordinator = self._kafka._coordinator
        if coordinator is not None and coordinator._coordination_task.done():
            found.append("the group coordination ended")
        if self._kafka._fetcher is not None and self._kafka._fetcher._fetch_task.done():
            found.append("the fetcher ended")
        metadata = self._kafka._client._sync_task
        if metadata is not None and metadata.done():
            found.append("nobody asks any more which broker has what")
        (subscriber,) = self._broker.subscribers
        if any(task.done() for task in getattr(subscriber, "tasks", ())):
            found.append("the reading loop ended")
        return found

    async def ping(self) -> None:
        """Ask Kafka for an answer; raises when there is none within two seconds."""
        if self._broker is None or self._kafka is None:
            raise ConnectionError("not connected yet")
        async with asyncio.timeout(_PING_SECONDS):
            await self._kafka.topics()


async def _leave_unparsed(
    batch: tuple[ConsumerRecord, ...],
) -> KafkaAckableMessage:
    return KafkaAckableMessage(raw_message=batch, body=b"", consumer=_NoConsumer())


class _NoConsumer:
    """FastStream's messages can commit and seek; ours must not."""

    async def commit(self) -> None:
        raise AssertionError("offsets are committed after the transaction, by Consumer")

    def seek(self, partition: TopicPartition, offset: int) -> None:
        raise AssertionError("batches are tried again in place, by Consumer")


async def _raw_records(message: KafkaAckableMessage) -> Any:
    return message.raw_message


def _partition(record: ConsumerRecord) -> Place:
    return record.topic, record.partition


def _ends(batch: Sequence[Record]) -> dict[Place, int]:
    """Return where to read on, once these are handled."""
    return {(record.topic, record.partition): record.offset + 1 for record in batch}


def _record(record: ConsumerRecord) -> Record:
    return Record(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        record.headers,
    )
