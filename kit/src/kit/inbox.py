"""Records become effects, each once: inbox, handlers, parking and dead letters in one transaction.

What a crash leaves undone is read again from Kafka (offsets are committed after the transaction);
what it left done is recognised by the inbox. So nothing is lost and nothing acts twice.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from zlib import crc32

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import TOPICS
from kit import inbox_ids, metrics, parking
from kit.context import Context
from kit.database import is_temporary
from kit.dead_letters import DeadLetter, bury
from kit.messages import (
    KEEP_EVENTS,
    Keeps,
    Message,
    Record,
    UnusableError,
    message_type,
    read_message,
)
from kit.parking import ParkedRecord
from kit.subscriptions import Batch, Subscriptions, in_order

RETRY_PARKED: Final = "retry-parked"
"""The worker that calls `Inbox.retry_parked`."""

_PARKED_BATCH: Final = 500
_READ_AT_ONCE: Final = 10
"""Records, less than a millisecond: then whoever waits has a turn, above all the database."""
_WORTH_PARTING: Final = 100
"""So many messages that count; a batch with fewer goes into one transaction."""

Read = Message[Any] | DeadLetter
"""What a record turned out to be."""

log = structlog.stdlib.get_logger(__name__)


class Inbox:
    """Handles what one service reads, whether it comes from Kafka or was parked."""

    def __init__(
        self,
        consumer: str,
        subscriptions: Subscriptions,
        context: Context[Any],
        batch_parts: int = 1,
    ) -> None:
        self._consumer = consumer
        self._batch_parts = batch_parts
        self._handlers = subscriptions.handlers
        self._keeps = subscriptions.keeps
        self._parted_by = subscriptions.parted_by
        self._worth_parting = subscriptions.worth_parting
        self._context = context
        self._handled: Counter[str] = Counter()
        self._planned_at: Counter[str] = Counter()
        """How many messages of each type were handled when statements were last planned for it."""
        self._following: Sequence[Record] = ()
        self._reading: asyncio.Task[list[Read]] | None = None
        """Reads the records that are following."""

    async def handle(self, records: Sequence[Record], following: Sequence[Record] = ()) -> None:
        """Bring records to effect; read those of the next call while the database works.

        Raises only what may work later (database away): the records are then handled again as a
        whole. Anything else is split until the record that cannot work stands alone, and buried.
        """
        reading = self._reading if records is self._following else None
        batch = await (reading or self._read_wanted(records))
        self._following = following
        self._reading = asyncio.create_task(self._read_wanted(following)) if following else None
        if batch:
            started = time.monotonic()
            await self._handle_batch(batch)
            metrics.batch_seconds.observe(time.monotonic() - started)

    async def retry_parked(self) -> bool:
        """Handle parked messages whose next try is due; tell whether there were any."""
        async with self._context.database.begin() as connection:
            due = await parking.take_due(connection, _PARKED_BATCH)
            done = await self._retry(connection, due)
        self._after_commit(done)
        return bool(due)

    async def _read_wanted(self, records: Sequence[Record]) -> list[Read]:
        read = []
        for number, record in enumerate(records):
            if number % _READ_AT_ONCE == 0:
                await asyncio.sleep(0)
            if self._is_wanted(record):
                read.append(_read(record, self._keeps))
        return read

    def _is_wanted(self, record: Record) -> bool:
        """Leave out, before any parsing, types of the topic that this service has no use for."""
        type_ = message_type(record)
        return type_ in self._handlers or type_ not in TOPICS[record.topic].types

    async def _handle_batch(self, batch: Sequence[Read]) -> None:
        parts: Sequence[Sequence[Read]] = [batch]
        if self._batch_parts > 1 and _is_worth_parting(batch, self._worth_parting):
            parts = _part(batch, self._batch_parts, self._parted_by)
        # None is left running when another one failed: all are handled again.
        ended = await asyncio.gather(*map(self._handle_or_split, parts), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _handle_or_split(self, batch: Sequence[Read]) -> None:
        try:
            async with self._context.database.begin() as connection:
                before = await parking.take_same_keys(connection, _records(batch))
                done = await self._dispatch(connection, batch, before)
            self._after_commit([done])
        except Exception as error:
            if is_temporary(error):
                raise
            log.warning("batch failed, split", records=len(batch), exc_info=error)
            if len(batch) == 1:
                await self._handle_alone(batch[0])
            else:
                middle = len(batch) // 2
                await self._handle_or_split(batch[:middle])
                await self._handle_or_split(batch[middle:])

    async def _handle_alone(self, read: Read) -> None:
        """Find out whether the record is to blame, or what is parked under its key or for it."""
        async with self._context.database.begin() as connection:
            parked = await parking.take_same_keys(connection, [read.record])
            done = await self._retry(connection, parked)
        self._after_commit(done)
        async with self._context.database.begin() as connection:
            done = await self._handle_or_bury(connection, [read], [])
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
        batch: Sequence[Read],
        before: Sequence[ParkedRecord],
    ) -> list["_Work"]:
        try:
            async with connection.begin_nested():
                return [await self._dispatch(connection, batch, before, release=False)]
        except Exception as error:
            if is_temporary(error):
                raise
            for record in (*(parked.record for parked in before), *_records(batch)):
                log.error("a handler failed", exc_info=error, **_origin(record))
                unusable = UnusableError("handler-failed", type(error).__name__)
                await self._bury(connection, [DeadLetter(record, unusable)])
            return []

    async def _dispatch(
        self,
        connection: AsyncConnection,
        batch: Sequence[Read],
        before: Sequence[ParkedRecord],
        *,
        release: bool = True,
    ) -> "_Work":
        """Handle, within the transaction, what was parked `before` and then a new `batch`.

        What waits for a thing that arrives is handled right after it, before anything later:
        with `release` in this transaction, without it in one of its own, soon.
        """
        work = _Work(list(before), self._keeps)
        new = work.take_messages(batch)
        held = work.take_messages(work.read(before))
        groups = deque(in_order([*held, *await _enter(connection, new)]))
        while groups:
            group = groups.popleft()
            of_type: Batch[Any] = Batch(connection, group, self._context)
            await self._handlers[group[0].type](of_type)
            work.handled[group[0].type] += len(group)
            work.take_over(of_type)
            if release and of_type.arrivals:
                released = await work.release(connection, of_type.arrivals)
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
                self._plan_for(type_, count)
            for worker in work.wakes:
                self._context.wake(worker)

    def _plan_for(self, type_: str, count: int) -> None:
        """Have statements planned anew when twice as many messages of a type were handled.

        What they fill has grown as much: so no plan is used for tables far larger than it was made
        for, and that takes a few commands in all. What fills tables elsewhere has to say so itself.
        """
        self._handled[type_] += count
        if self._handled[type_] >= 2 * self._planned_at[type_]:
            self._planned_at[type_] = self._handled[type_]
            self._context.database.plan_anew()

    async def _bury(self, connection: AsyncConnection, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        # A message that was buried can be replayed after a fix, also of what is kept of events.
        read = [_read(letter.record, KEEP_EVENTS) for letter in letters]
        messages = [each for each in read if not isinstance(each, DeadLetter)]
        await inbox_ids.leave(connection, _ids(messages))
        await bury(connection, self._consumer, letters)
        for letter in letters:
            log.warning("dead letter", reason=letter.error.reason, **_origin(letter.record))


class _Work:
    """What one transaction gathers besides its handlers' effects."""

    def __init__(self, before: list[ParkedRecord], keeps: Keeps) -> None:
        self.before = before
        self._keeps = keeps
        self.letters: list[DeadLetter] = []
        self.early: list[tuple[Message[Any], str]] = []
        self.arrivals: set[str] = set()
        self.wakes: set[str] = set()
        self.handled: Counter[str] = Counter()

    def read(self, parked: Iterable[ParkedRecord]) -> Iterable[Read]:
        """Read what was parked, one after the other."""
        return (_read(each.record, self._keeps) for each in parked)

    def take_messages(self, batch: Iterable[Read]) -> list[Message[Any]]:
        """Return the messages of a batch; the others are dead letters."""
        messages: list[Message[Any]] = []
        for read in batch:
            if isinstance(read, DeadLetter):
                self.letters.append(read)
            else:
                messages.append(read)
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
    ) -> list[Message[Any]]:
        """Return what waits for things that are there now, oldest first."""
        parked = await parking.take_waiting(connection, sorted(things))
        self.before += parked
        released = self.take_messages(self.read(parked))
        released += [message for message, waits_for in self.early if waits_for in things]
        self.early = [each for each in self.early if each[1] not in things]
        return released


def _read(record: Record, keeps: Keeps) -> Read:
    """Parse a record; what is no message is a dead letter."""
    try:
        return read_message(record, keeps)
    except UnusableError as error:
        return DeadLetter(record, error)
    except Exception as error:  # a fault of ours, which must hold up no other record
        log.error("a record could not be read", exc_info=error, **_origin(record))
        return DeadLetter(record, UnusableError("reading-failed", type(error).__name__))


def _part(
    batch: Sequence[Read], most: int, parted_by: Mapping[str, Callable[[Any], str]]
) -> list[Sequence[Read]]:
    """Part a batch by keys, so that the order for each key is kept.

    What is parted by something else goes where the first message of its key went: another
    transaction would not see in time what the earlier one did.
    """
    parts: list[list[Read]] = [[] for _ in range(most)]
    places: dict[tuple[str, bytes | None], int] = {}
    for read in batch:
        record = read.record
        place = places.get((record.topic, record.key))
        if place is None:
            key = record.key or b""
            if isinstance(read, Message) and read.type in parted_by:
                key = parted_by[read.type](read.event).encode()
            place = places[record.topic, record.key] = crc32(key) % most
        parts[place].append(read)
    return [part for part in parts if part]


def _is_worth_parting(batch: Sequence[Read], types: Collection[str]) -> bool:
    """Tell whether a batch has enough messages of these types; of any, if there are none."""
    found = [read.type for read in batch if isinstance(read, Message)]
    return sum(not types or type_ in types for type_ in found) >= _WORTH_PARTING


def _records(batch: Sequence[Read]) -> list[Record]:
    return [read.record for read in batch]


async def _enter(
    connection: AsyncConnection, messages: Sequence[Message[Any]]
) -> list[Message[Any]]:
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


def _ids(messages: Sequence[Message[Any]]) -> list[inbox_ids.Id]:
    return [(message.source, message.id) for message in messages]


def _origin(record: Record) -> dict[str, Any]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}
