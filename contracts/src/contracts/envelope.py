"""The envelope of a message: CloudEvents 1.0 attributes as Kafka headers (binary mode)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Self
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


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a message says about its event."""

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
        values = _known(headers)
        for name in _REQUIRED:
            if f"ce_{name}" not in values:
                raise EnvelopeError(f"ce_{name} is missing")
        if values["ce_specversion"] != "1.0":
            raise EnvelopeError("ce_specversion is not 1.0")
        if not _JSON.fullmatch(values.get("content-type", "application/json")):
            raise EnvelopeError("content-type is not application/json")
        if not _URI_REFERENCE.fullmatch(values["ce_source"]):
            raise EnvelopeError("ce_source is not a URI reference")
        for name in ("ce_id", "ce_type", "ce_subject", "ce_correlationid"):
            if not _TEXT.fullmatch(values[name]):
                raise EnvelopeError(f"{name} is not a text of 1 to 255 printable characters")
        traceparent = values.get("ce_traceparent", "")
        return cls(
            id=values["ce_id"],
            source=values["ce_source"],
            type=values["ce_type"],
            time=_time(values["ce_time"]),
            subject=values["ce_subject"],
            tenant_id=_tenant(values["ce_tenantid"]),
            correlation_id=values["ce_correlationid"],
            traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
        )


def _known(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    """The text of each header that belongs to an envelope."""
    values: dict[str, str] = {}
    for name, value in headers:
        if name not in _KNOWN:
            continue
        if name in values:
            raise EnvelopeError(f"{name} is repeated")
        if value is None:
            raise EnvelopeError(f"{name} is null")
        try:
            values[name] = value.decode()
        except UnicodeDecodeError:
            raise EnvelopeError(f"{name} is not UTF-8") from None
    return values


@lru_cache(maxsize=1_000)
def _tenant(value: str) -> UUID:
    """The tenant, one object for all of its messages: it is compared with itself all the time."""
    if not _UUID.fullmatch(value):
        raise EnvelopeError("ce_tenantid is not a UUID")
    return UUID(value)


def _time(value: str) -> datetime:
    if _TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # a day or an hour that does not exist, or out of a datetime's range
    raise EnvelopeError("ce_time is not an RFC 3339 time")
