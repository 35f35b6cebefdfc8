"""Records become effects, each once: inbox, handlers, parking and dead letters in one transaction.

What a crash leaves undone is read again from Kafka (offsets are committed after the transaction);
what it left done is recognised by the inbox. So nothing is lost and nothing acts twice.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Collection, Sequence
from typing import Any
from zlib import crc32

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import TOPICS, Event
from kit import inbox_ids, metrics, parking
from kit.context import Context
from kit.database import is_temporary
from kit.dead_letters import DeadLetter, bury
from kit.messages import Message, Record, UnusableError, message_type, read_message
from kit.parking import ParkedRecord
from kit.subscriptions import Batch, Subscriptions, in_order

RETRY_PARKED = "retry-parked"
"""The worker that calls `Inbox.retry_parked`."""

_PARKED_BATCH = 500
_WORTH_PARTING = 100
"""Records; fewer go into one transaction."""

log = structlog.stdlib.get_logger(__name__)


class Inbox:
    """Handles what one service reads, whether it comes from Kafka or was parked."""

    def __init__(
        self,
        consumer: str,
        subscriptions: Subscriptions,
        context: Context[Any],
        transactions_at_once: int = 1,
    ) -> None:
        self._consumer = consumer
        self._transactions_at_once = transactions_at_once
        self._handlers = subscriptions.handlers
        self._context = context

    async def handle(self, records: Sequence[Record]) -> None:
        """Bring records from Kafka to effect.

        Raises only what may work later (database away): the records are then handled again as a
        whole. Anything else is split until the record that cannot work stands alone, and buried.
        """
        wanted = [record for record in records if self._is_wanted(record)]
        if wanted:
            started = time.monotonic()
            parts = _part(wanted, self._transactions_at_once)
            # None is left running when another one failed: all are handled again.
            ended = await asyncio.gather(
                *(self._handle_or_split(part) for part in parts), return_exceptions=True
            )
            for error in ended:
                if error is not None:
                    raise error
            metrics.batch_seconds.observe(time.monotonic() - started)

    async def retry_parked(self) -> bool:
        """Handle parked messages whose next try is due; tell whether there were any."""
        async with self._context.database.begin() as connection:
            due = await parking.take_due(connection, _PARKED_BATCH)
            done = await self._retry(connection, due)
        self._after_commit(done)
        return bool(due)

    def _is_wanted(self, record: Record) -> bool:
        """Leave out, before any parsing, types of the topic that this service has no use for."""
        type_ = message_type(record)
        return type_ in self._handlers or type_ not in TOPICS[record.topic].types

    async def _handle_or_split(self, records: Sequence[Record]) -> None:
        try:
            async with self._context.database.begin() as connection:
                before = await parking.take_same_keys(connection, records)
                done = await self._dispatch(connection, records, before)
            self._after_commit([done])
        except Exception as error:
            if is_temporary(error):
                raise
            log.warning("batch failed, split", records=len(records), exc_info=error)
            if len(records) == 1:
                await self._handle_alone(records[0])
            else:
                middle = len(records) // 2
                await self._handle_or_split(records[:middle])
                await self._handle_or_split(records[middle:])

    async def _handle_alone(self, record: Record) -> None:
        """Find out whether the record is to blame, or what is parked under its key or for it."""
        async with self._context.database.begin() as connection:
            parked = await parking.take_same_keys(connection, [record])
            done = await self._retry(connection, parked)
        self._after_commit(done)
        async with self._context.database.begin() as connection:
            done = await self._handle_or_bury(connection, [record], [])
        self._after_commit(done)

    async def _retry(
        self, connection: AsyncConnection, due: Sequence[ParkedRecord]
    ) -> list["_Work"]:
        if not due:
            return []
        try:
            async with connection.begin_nested():
                return [await self._dispatch(connection, [], due)]
        except Exception as error:
            if is_temporary(error):
                raise
            alone = [await self._handle_or_bury(connection, [], [parked]) for parked in due]
            return [work for works in alone for work in works]

    async def _handle_or_bury(
        self,
        connection: AsyncConnection,
        records: Sequence[Record],
        before: Sequence[ParkedRecord],
    ) -> list["_Work"]:
        try:
            async with connection.begin_nested():
                return [await self._dispatch(connection, records, before, release=False)]
        except Exception as error:
            if is_temporary(error):
                raise
            for record in (*(parked.record for parked in before), *records):
                log.error("a handler failed", exc_info=error, **_origin(record))
                unusable = UnusableError("handler-failed", type(error).__name__)
                await self._bury(connection, [DeadLetter(record, unusable)])
            return []

    async def _dispatch(
        self,
        connection: AsyncConnection,
        records: Sequence[Record],
        before: Sequence[ParkedRecord],
        *,
        release: bool = True,
    ) -> "_Work":
        """Handle, within the transaction, what was parked `before` and then new `records`.

        What waits for a thing that arrives is handled right after it, before anything later:
        with `release` in this transaction, without it in one of its own, soon.
        """
        work = _Work(list(before))
        new = work.read(records)
        held = work.read([parked.record for parked in before])
        groups = deque(in_order([*held, *await _enter(connection, new)]))
        while groups:
            group = groups.popleft()
            batch: Batch[Any] = Batch(connection, group, self._context)
            await self._handlers[group[0].type](batch)
            work.handled[group[0].type] += len(group)
            work.take_over(batch)
            if release and batch.arrivals:
                released = await work.release(connection, batch.arrivals)
                groups.extendleft(reversed(in_order(released)))
        for record in await parking.park(connection, work.early, work.before):
            work.letters.append(DeadLetter(record, UnusableError("waited-too-long")))
        await self._bury(connection, work.letters)
        if not release and await parking.make_due(connection, sorted(work.arrivals)):
            work.wakes.add(RETRY_PARKED)
        return work

    def _after_commit(self, done: Sequence["_Work"]) -> None:
        """Count what was handled and wake workers, who would have found nothing before."""
        for work in done:
            for type_, count in work.handled.items():
                metrics.messages_handled_total.labels(type_).inc(count)
            for worker in work.wakes:
                self._context.wake(worker)

    async def _bury(self, connection: AsyncConnection, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        # A message that was buried can be replayed after a fix.
        messages, _ = _read([letter.record for letter in letters])
        await inbox_ids.leave(connection, _ids(messages))
        await bury(connection, self._consumer, letters)
        for letter in letters:
            log.warning("dead letter", reason=letter.error.reason, **_origin(letter.record))


class _Work:
    """What one transaction gathers besides its handlers' effects."""

    def __init__(self, before: list[ParkedRecord]) -> None:
        self.before = before
        self.letters: list[DeadLetter] = []
        self.early: list[tuple[Message[Event], str]] = []
        self.arrivals: set[str] = set()
        self.wakes: set[str] = set()
        self.handled: Counter[str] = Counter()

    def read(self, records: Sequence[Record]) -> list[Message[Event]]:
        """Parse each record alone; what is no message becomes a dead letter."""
        messages, letters = _read(records)
        self.letters += letters
        return messages

    def take_over(self, batch: Batch[Any]) -> None:
        """Take what a handler said of its messages."""
        self.early += batch.parked
        self.arrivals |= batch.arrivals
        self.wakes |= batch.wakes
        self.letters += [
            DeadLetter(message.record, UnusableError("rejected", reason))
            for message, reason in batch.rejected
        ]

    async def release(
        self, connection: AsyncConnection, things: Collection[str]
    ) -> list[Message[Event]]:
        """Return what waits for things that are there now, oldest first."""
        parked = await parking.take_waiting(connection, sorted(things))
        self.before += parked
        released = self.read([each.record for each in parked])
        released += [message for message, waits_for in self.early if waits_for in things]
        self.early = [each for each in self.early if each[1] not in things]
        return released


def _part(records: Sequence[Record], most: int) -> list[list[Record]]:
    """Part many records by their keys, so that the order for each key is kept."""
    if len(records) < _WORTH_PARTING:
        return [list(records)]
    parts: list[list[Record]] = [[] for _ in range(most)]
    for record in records:
        parts[crc32(record.key or b"") % most].append(record)
    return [part for part in parts if part]


def _read(records: Sequence[Record]) -> tuple[list[Message[Event]], list[DeadLetter]]:
    messages: list[Message[Event]] = []
    letters: list[DeadLetter] = []
    for record in records:
        try:
            messages.append(read_message(record))
        except UnusableError as error:
            letters.append(DeadLetter(record, error))
    return messages, letters


async def _enter(
    connection: AsyncConnection, messages: Sequence[Message[Event]]
) -> list[Message[Event]]:
    """Enter ids into the inbox; return the messages that were not there, the first of each id."""
    if not messages:
        return []
    new = await inbox_ids.enter(connection, _ids(messages))
    fresh = []
    for message in messages:
        if (message.source, message.id) in new:
            new.remove((message.source, message.id))
            fresh.append(message)
    return fresh


def _ids(messages: Sequence[Message[Event]]) -> list[inbox_ids.Id]:
    return [(message.source, message.id) for message in messages]


def _origin(record: Record) -> dict[str, Any]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}
