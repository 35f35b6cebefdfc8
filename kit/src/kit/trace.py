"""What caused what: the correlation id and the W3C trace context, across requests and messages."""

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from kit.ids import new_id

_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace_id>[0-9a-f]{32})-(?P<span_id>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_SAMPLED = "01"
_SPAN_OCTETS = 8
_SPAN_DIGITS = 2 * _SPAN_OCTETS
_NO_SPAN = "0" * _SPAN_DIGITS

_correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


@dataclass(frozen=True, slots=True)
class Cause:
    """What an outgoing event stems from: whose data it is, and which request began it all."""

    tenant_id: UUID
    correlation_id: str
    traceparent: str | None


@contextmanager
def carried(correlation_id: str, traceparent: str | None) -> Iterator[None]:
    """Make both known to everything that runs inside the block, above all to its log lines."""
    correlation = _correlation_id.set(correlation_id)
    trace = _traceparent.set(traceparent)
    try:
        yield
    finally:
        _traceparent.reset(trace)
        _correlation_id.reset(correlation)


def current_correlation_id() -> str:
    """Return the id of the request behind what runs now; a new one where nothing was carried."""
    return _correlation_id.get() or str(new_id())


def current_traceparent() -> str | None:
    """Return the trace context of what runs now, or None where nothing was carried."""
    return _traceparent.get()


def current_ids() -> dict[str, str]:
    """Return what a log line says of its cause: `correlation_id` and `trace_id`, where known."""
    ids = {}
    if correlation_id := _correlation_id.get():
        ids["correlation_id"] = correlation_id
    if traceparent := _traceparent.get():
        ids["trace_id"] = traceparent.split("-")[1]
    return ids


def new_traceparent(parent: str | None) -> str:
    """Return the trace context of a new span: in the trace of `parent`, or in a trace of its own.

    A `parent` that is not a W3C traceparent starts a new trace, as the standard demands.
    """
    return new_traceparents([parent])[0]


def new_traceparents(parents: Sequence[str | None]) -> list[str]:
    """Do what `new_traceparent` does, for each of many: the system is asked for chance once."""
    spans = secrets.token_hex(_SPAN_OCTETS * len(parents))
    found = []
    for place, parent in enumerate(parents):
        trace_id, flags = (_trace_of(parent) if parent else None) or (_random_hex(16), _SAMPLED)
        span_id = spans[place * _SPAN_DIGITS : (place + 1) * _SPAN_DIGITS]
        if span_id == _NO_SPAN:
            span_id = _random_hex(_SPAN_OCTETS)
        found.append(f"00-{trace_id}-{span_id}-{flags}")
    return found


@lru_cache(maxsize=1_000)
def _trace_of(traceparent: str) -> tuple[str, str] | None:
    """Return id and flags of a trace: a hundred thousand events may follow from one request."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or not _is_valid(found):
        return None
    flags = int(found["flags"], 16) & 0x01  # the one flag that version 00 defines: sampled
    return found["trace_id"], f"{flags:02x}"


def _is_valid(found: re.Match[str]) -> bool:
    zeros = int(found["trace_id"], 16) == 0 or int(found["span_id"], 16) == 0
    longer_than_its_version_allows = found["version"] == "00" and found["more"] is not None
    return not zeros and not longer_than_its_version_allows and found["version"] != "ff"


def _random_hex(octets: int) -> str:
    """Return random hex digits; never all zeros, which would mean "none"."""
    while not int(digits := secrets.token_hex(octets), 16):
        pass
    return digits
