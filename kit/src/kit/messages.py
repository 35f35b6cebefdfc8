"""What comes in from Kafka: a raw record, and the message that it turns out to be."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import ValidationError

from contracts import EVENTS, TOPICS
from contracts.envelope import Envelope, EnvelopeError
from kit.records import BAD_NAME_HEADER, unreadable_reason
from kit.trace import Cause

K = TypeVar("K")
"""An event, or what its handler keeps of it."""
_HEADROOM = 64 * 1024
_NAME = itemgetter(0)

Keeps = Mapping[str, Callable[[Any], Any]]
"""By type, the function that makes of an event what its handler keeps; most keep the event."""
KEEP_EVENTS: Final[Keeps] = {}

Headers = Sequence[tuple[str, bytes | None]]


class Record(NamedTuple):
    """A record as it lies in Kafka, good or bad."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Message(NamedTuple, Generic[K]):
    """A record that follows its contract; between it and its event stands the envelope."""

    record: Record
    id: str
    source: str
    type: str
    time: datetime
    subject: str
    tenant_id: UUID
    correlation_id: str
    traceparent: str | None
    event: K
    """The event, or what its handler keeps of it (`Subscriptions.handles`)."""

    @property
    def cause(self) -> Cause:
        """Return what events that follow from this message name as their cause."""
        return Cause(self.tenant_id, self.correlation_id, self.traceparent)


class UnusableError(Exception):
    """The record can never become a message; `reason` is stable and free of personal data."""

    def __init__(self, reason: str, detail: str = "", *, keep_value: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.keep_value = keep_value


def read_message(record: Record, keeps: Keeps) -> Message[Any]:
    """Parse a record by its contract; keep the event, or what `keeps` makes of it.

    Raises `UnusableError` for everything that is not a message of its topic: unreadable, too large,
    without a value, wrong headers, unknown type, not JSON, against the schema, under another key.
    """
    envelope = _read_envelope(record)
    event_class = EVENTS.get(envelope.type)
    if event_class is None:
        raise UnusableError("unknown-version" if _other_version(envelope.type) else "unknown-type")
    if record.topic != event_class.TOPIC:
        raise UnusableError("wrong-topic", envelope.type)
    assert record.value is not None
    try:
        event = event_class.model_validate_json(record.value)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise UnusableError("not-json") from None
        raise UnusableError("schema", _fields(error)) from None
    if record.key is None or record.key != event.key().encode():
        # The key decides the partition: under another one the order for the key is not kept.
        raise UnusableError("wrong-key")
    keep = keeps.get(envelope.type)
    return Message(record, *envelope, event if keep is None else keep(event))


def largest_value(topic: str) -> int:
    """Return the bytes that a value may have: headers and the batch around it need room, too."""
    return TOPICS[topic].max_message_bytes - _HEADROOM


def message_type(record: Record) -> str | None:
    """Return the type a record claims, for a cheap look before it is parsed."""
    for name, value in record.headers:
        if name == "ce_type":
            return value.decode("utf-8", "replace") if value is not None else None
    return None


def _read_envelope(record: Record) -> Envelope:
    reason = unreadable_reason(record.headers)
    if reason is not None:
        raise UnusableError("unreadable", reason, keep_value=False)
    if _is_too_large(record):
        raise UnusableError("too-large", keep_value=False)
    if record.value is None:
        raise UnusableError("tombstone")
    if BAD_NAME_HEADER in map(_NAME, record.headers):
        raise UnusableError("headers", "a name is not UTF-8")
    try:
        return Envelope.from_headers(record.headers)
    except EnvelopeError as error:
        raise UnusableError("headers", str(error)) from None


def _is_too_large(record: Record) -> bool:
    """Tell what was small enough for Kafka only because it was compressed.

    Key and headers count, too: as a dead letter they would stop the relay for ever.
    """
    value = len(record.value or b"")
    if value > largest_value(record.topic):
        return True
    all_of_it = value + len(record.key or b"")
    for name, content in record.headers:
        all_of_it += len(name) + len(content or b"")
    return all_of_it > TOPICS[record.topic].max_message_bytes


def _other_version(type_: str) -> bool:
    name, _, _ = type_.rpartition(".")
    return any(known.rpartition(".")[0] == name for known in EVENTS)


def _fields(error: ValidationError) -> str:
    """Name the fields that are wrong, never their values."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['type']}"
        for problem in problems[:10]
    )
