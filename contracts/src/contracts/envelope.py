"""The envelope of a message: CloudEvents 1.0 attributes as Kafka headers (binary mode)."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, Self, cast
from uuid import UUID

_REQUIRED = ("specversion", "id", "source", "type", "time", "subject", "tenantid", "correlationid")
_KNOWN = frozenset((*(f"ce_{name}" for name in _REQUIRED), "ce_traceparent", "content-type"))

_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,255}")
_URI_REFERENCE = re.compile(r"[!-~]{1,255}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_JSON = re.compile(r"application/json[ \t]*(;.*)?", re.IGNORECASE)


class EnvelopeError(ValueError):
    """The headers are no envelope of ours. Names the header, never its value."""


class Envelope(NamedTuple):
    """What a message says about its event. A named tuple: `_replace` makes another one of it."""

    id: str
    """Unique for its source; the same when the message is published again."""
    source: str
    """Who published it, as a URI reference such as `/case-service`."""
    type: str
    """Type of the event, such as `case.opened.v1`."""
    time: datetime
    """When the event was published, in UTC."""
    subject: str
    """The Kafka key: what the event is about."""
    tenant_id: UUID
    """Tenant whose event it is."""
    correlation_id: str
    """Id of the request that caused the event, over all that followed from it."""
    traceparent: str | None
    """W3C trace context."""

    def to_headers(self) -> list[tuple[str, bytes]]:
        """The Kafka headers of the message."""
        time = self.time.astimezone(UTC).replace(tzinfo=None).isoformat()
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", self.id.encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
            ("ce_time", f"{time}Z".encode()),
            ("ce_subject", self.subject.encode()),
            ("ce_tenantid", str(self.tenant_id).encode()),
            ("ce_correlationid", self.correlation_id.encode()),
            ("content-type", b"application/json"),
        ]
        if self.traceparent is not None:
            headers.append(("ce_traceparent", self.traceparent.encode()))
        return headers

    @classmethod
    def from_headers(cls, headers: Sequence[tuple[str, bytes | None]]) -> Self:
        """The envelope in the Kafka headers of a message; headers of others are passed over.

        Raises EnvelopeError when there is none, or one that breaks the contract. A trace context
        that is malformed is left out: it must not stop a message.
        """
        values = _values(headers)
        try:
            _check_version(values["ce_specversion"])
            _check_content_type(values.get("content-type", b"application/json"))
            return cls(
                _text("ce_id", values["ce_id"]),
                _source(values["ce_source"]),
                _type(values["ce_type"]),
                _time(values["ce_time"]),
                _text("ce_subject", values["ce_subject"]),
                _tenant(values["ce_tenantid"]),
                _correlation_id(values["ce_correlationid"]),
                _traceparent(values.get("ce_traceparent")),
            )
        except KeyError as missing:
            raise EnvelopeError(f"{missing.args[0]} is missing") from None


def _values(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, bytes]:
    """The value of each header of an envelope, and of others that are there."""
    values = dict(headers)
    if len(values) == len(headers) and None not in values.values():
        return cast("dict[str, bytes]", values)
    known = [header for header in headers if header[0] in _KNOWN]
    for name, count in Counter(name for name, _ in known).items():
        if count > 1:
            raise EnvelopeError(f"{name} is repeated")
    for name, value in known:
        if value is None:
            raise EnvelopeError(f"{name} is null")
    return {name: value for name, value in known if value is not None}


def _decoded(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise EnvelopeError(f"{name} is not UTF-8") from None


def _text(name: str, value: bytes) -> str:
    text = _decoded(name, value)
    if text.isprintable() and 0 < len(text) <= 255:
        return text  # nearly all: what is printable to Python has no control characters
    if not _TEXT.fullmatch(text):
        raise EnvelopeError(f"{name} is not a text of 1 to 255 printable characters")
    return text


# Many messages have the same of these: they are looked at once. None holds personal data.


@lru_cache(maxsize=100)
def _check_version(value: bytes) -> None:
    if _decoded("ce_specversion", value) != "1.0":
        raise EnvelopeError("ce_specversion is not 1.0")


@lru_cache(maxsize=100)
def _check_content_type(value: bytes) -> None:
    if not _JSON.fullmatch(_decoded("content-type", value)):
        raise EnvelopeError("content-type is not application/json")


@lru_cache(maxsize=1_000)
def _type(value: bytes) -> str:
    return _text("ce_type", value)


@lru_cache(maxsize=1_000)
def _correlation_id(value: bytes) -> str:
    return _text("ce_correlationid", value)


@lru_cache(maxsize=100)
def _source(value: bytes) -> str:
    text = _decoded("ce_source", value)
    if not _URI_REFERENCE.fullmatch(text):
        raise EnvelopeError("ce_source is not a URI reference")
    return text


@lru_cache(maxsize=1_000)
def _tenant(value: bytes) -> UUID:
    """The tenant, one object for all of its messages: it is compared with itself all the time."""
    text = _decoded("ce_tenantid", value)
    if not _UUID.fullmatch(text):
        raise EnvelopeError("ce_tenantid is not a UUID")
    return UUID(text)


@lru_cache(maxsize=1_000)
def _time(value: bytes) -> datetime:
    text = _decoded("ce_time", value)
    if _TIME.fullmatch(text):
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # a day or an hour that does not exist, or out of a datetime's range
    raise EnvelopeError("ce_time is not an RFC 3339 time")


def _traceparent(value: bytes | None) -> str | None:
    text = "" if value is None else _decoded("ce_traceparent", value)
    return text if _TRACEPARENT.fullmatch(text) else None
