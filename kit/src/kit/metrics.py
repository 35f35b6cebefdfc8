"""What is measured, for Prometheus. No label ever holds an id, a name or a tenant."""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
"""The media type of what `render` returns."""

registry: Final = CollectorRegistry()
"""Everything this process measures."""

ProcessCollector(registry=registry)
PlatformCollector(registry=registry)
GCCollector(registry=registry)

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

http_requests_total: Final = Counter(
    "http_requests",
    "Requests answered, by template of the path, method and status.",
    ("route", "method", "status"),
    registry=registry,
)
"""Requests answered; `route` is the path's template such as `/v1/runs/{run_id}`, never a path."""

http_request_seconds: Final = Histogram(
    "http_request_seconds",
    "Seconds from a request's arrival to the end of its answer.",
    ("route", "method"),
    buckets=_SECONDS,
    registry=registry,
)
"""How long requests took."""

outbox_depth: Final = Gauge("outbox_depth", "Events that wait in the outbox.", registry=registry)
"""Events that wait in the outbox; grows while Kafka is away."""

outbox_oldest_seconds: Final = Gauge(
    "outbox_oldest_seconds",
    "Age of the oldest event in the outbox in seconds; 0 when it is empty.",
    registry=registry,
)
"""How late the relay is."""

relay_published_total: Final = Counter(
    "relay_published", "Events that Kafka has acknowledged.", registry=registry
)
"""Events that Kafka has acknowledged; a republished one counts again."""

consumer_lag: Final = Gauge(
    "consumer_lag",
    "Messages in a partition that are still to be handled.",
    ("topic", "partition"),
    registry=registry,
)
"""Messages behind the end of each partition that this process reads."""

batch_seconds: Final = Histogram(
    "batch_seconds",
    "Seconds for one batch of messages, from when it was read to the end of its transaction.",
    buckets=_SECONDS,
    registry=registry,
)
"""How long batches took; a batch may hold messages of several topics and types."""

messages_handled_total: Final = Counter(
    "messages_handled",
    "Messages whose effects are committed, by type.",
    ("type",),
    registry=registry,
)
"""Messages whose effects are committed; one that the inbox knew already does not count."""

dead_letters_total: Final = Counter(
    "dead_letters",
    "Messages set aside because they can never work, by topic and reason.",
    ("topic", "reason"),
    registry=registry,
)
"""Dead letters; `reason` is one of few stable texts."""

parked_messages: Final = Gauge(
    "parked_messages", "Messages that wait for the thing they speak of.", registry=registry
)
"""Messages that came too early and wait."""

worker_seconds: Final = Histogram(
    "worker_seconds",
    "Seconds of one round of a worker.",
    ("worker",),
    buckets=_SECONDS,
    registry=registry,
)
"""How long the rounds of each worker took."""

worker_failures_total: Final = Counter(
    "worker_failures", "Rounds of a worker that failed.", ("worker",), registry=registry
)
"""Rounds that failed and are tried again."""


def render() -> bytes:
    """Return everything measured in Prometheus' text format, served as `CONTENT_TYPE`."""
    return generate_latest(registry)
