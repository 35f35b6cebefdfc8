"""Which function handles which contract, and the batch that it gets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from contracts import Event
from kit import outbox

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from kit.context import Context
    from kit.messages import Message
    from kit.trace import Cause

E = TypeVar("E", bound=Event)
K = TypeVar("K")
"""An event, or what its handler keeps of it."""


@dataclass
class Batch(Generic[K]):
    """Messages of one type that are handled together, in one transaction that the kit commits.

    Each message is here for the first time (the inbox has seen to that), in order for each key.
    """

    connection: AsyncConnection
    messages: Sequence[Message[K]]
    context: Context[Any]
    parked: list[tuple[Message[K], str]] = field(default_factory=list)
    rejected: list[tuple[Message[K], str]] = field(default_factory=list)
    arrivals: set[str] = field(default_factory=set)
    wakes: set[str] = field(default_factory=set)

    async def publish(self, outgoing: Iterable[tuple[Event, Cause]]) -> None:
        """Add events to the outbox, in the batch's transaction."""
        await outbox.publish(self.connection, outgoing)

    def park(self, message: Message[K], waits_for: str) -> None:
        """Keep a message that came too early until some handler says that `waits_for` arrived."""
        self.parked.append((message, waits_for))

    def arrived(self, things: Iterable[str]) -> None:
        """Say what is there now; what was parked for it is handled after this batch."""
        self.arrivals.update(things)

    def wake(self, worker: str) -> None:
        """Let a worker look for work as soon as the batch is committed."""
        self.wakes.add(worker)

    def reject(self, message: Message[K], reason: str) -> None:
        """Dead-letter a message that can never work; `reason` holds no personal data."""
        self.rejected.append((message, reason))


Handler = Callable[[Batch[K]], Awaitable[None]]
Register = Callable[[Handler[K]], Handler[K]]


class Subscriptions:
    """The table of a service's handlers: one function for each contract.

    A large batch may go into several transactions at once (`Service.batch_parts`). If events
    `worth_parting` are named, it must have many of those; else it may have many of any.
    """

    def __init__(self, worth_parting: Iterable[type[Event]] = ()) -> None:
        self.handlers: dict[str, Handler[Any]] = {}
        self.keeps: dict[str, Callable[[Any], Any]] = {}
        self.parted_by: dict[str, Callable[[Any], str]] = {}
        self.worth_parting = frozenset(event_class.TYPE for event_class in worth_parting)
        self._topics: dict[str, str] = {}

    @overload
    def handles(
        self, event_class: type[E], *, parted_by: Callable[[E], str] | None = None
    ) -> Register[E]: ...

    @overload
    def handles(
        self,
        event_class: type[E],
        *,
        keeps: Callable[[E], K],
        parted_by: Callable[[K], str] | None = None,
    ) -> Register[K]: ...

    def handles(
        self,
        event_class: type[E],
        *,
        keeps: Callable[[E], Any] | None = None,
        parted_by: Callable[[Any], str] | None = None,
    ) -> Register[Any]:
        """Register the decorated function as the one handler of an event class.

        What `keeps` makes of an event stands in its message, and the event is let go as soon as it
        is read: a large one takes many times the memory of what is in it, and a batch of them
        would not stay in the processor's cache. `keeps` takes what is needed from the event, and
        nothing else; what it raises makes the record a dead letter.

        `parted_by` names, of an event or what is kept of it, the key under which rows are locked
        where that is not its own but another topic's, and as that topic writes it: where a batch
        goes into several transactions at once, the message goes into the one of that key.
        """

        def register(handler: Handler[Any]) -> Handler[Any]:
            if event_class.TYPE in self.handlers:
                raise ValueError(f"{event_class.TYPE} has a handler already")
            self.handlers[event_class.TYPE] = handler
            self._topics[event_class.TYPE] = event_class.TOPIC
            if keeps is not None:
                self.keeps[event_class.TYPE] = keeps
            if parted_by is not None:
                self.parted_by[event_class.TYPE] = parted_by
            return handler

        return register

    @property
    def topics(self) -> list[str]:
        """Return the topics to read, sorted."""
        return sorted(set(self._topics.values()))


def in_order(messages: Sequence[Message[K]]) -> list[list[Message[K]]]:
    """Group messages into few groups of one type each that keep the order for each key.

    A message is `rank` groups behind the first of its key: the rank grows when the type changes.
    Different keys never wait for each other, so a batch of any mix gives as many groups as the
    longest change of types within one key, times the types.
    """
    ranks: dict[tuple[str, bytes | None], tuple[int, str]] = {}
    groups: defaultdict[tuple[int, str], list[Message[K]]] = defaultdict(list)
    for message in messages:
        lane = (message.record.topic, message.record.key)
        rank, previous = ranks.get(lane, (0, message.type))
        if previous != message.type:
            rank += 1
        ranks[lane] = (rank, message.type)
        groups[rank, message.type].append(message)
    return [groups[place] for place in sorted(groups)]
