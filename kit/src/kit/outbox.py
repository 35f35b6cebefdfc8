"""Events leave a service through its outbox: a row in the transaction of the change itself.

Invariant: a verb locks the row of the thing that an event speaks of before it publishes, so that
rows of one key get their `seq` in the order in which their transactions commit.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Event
from kit.clock import now
from kit.ids import new_id
from kit.messages import largest_value
from kit.trace import Cause, new_traceparent, new_traceparents

_INSERT = text(
    """
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, tenantid,
                        correlationid, traceparent, time, headers)
    SELECT id, aggregatetype, aggregateid, type, payload, tenantid,
           correlationid, traceparent, CAST(:time AS timestamptz), CAST(headers AS jsonb)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:topics AS text[]), CAST(:keys AS text[]),
                CAST(:types AS text[]), CAST(:payloads AS bytea[]), CAST(:tenants AS uuid[]),
                CAST(:correlations AS text[]), CAST(:traceparents AS text[]),
                CAST(:headers AS text[]))
         WITH ORDINALITY AS new (id, aggregatetype, aggregateid, type, payload, tenantid,
                                 correlationid, traceparent, headers, place)
    ORDER BY place
    """
)

# Of an id's digits the last sixteen are random and never all zeros, as those of a span must be.
# Rows get their `seq` in the order of the SELECT.
INSERT_WRITTEN: Final = """
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, tenantid,
                        correlationid, traceparent, time)
    SELECT id, CAST(:event_topic AS text), key, CAST(:event_type AS text),
           CASE WHEN octet_length(payload) <= CAST(:event_largest AS integer) THEN payload END,
           CAST(:event_tenant_id AS uuid), CAST(:event_correlation_id AS text),
           format(CAST(:event_traceparent AS text),
                  encode(substring(uuid_send(id) FROM 9), 'hex')),
           CAST(:event_time AS timestamptz)
    FROM written ORDER BY place
    """
"""Publishes what a statement writes itself: events of one type and cause, whose contract holds.

It stands in a statement that names them `written`, with `id` (from `uuidv7`, and that of no other
event), `key`, `payload` (its bytes) and `place`, in the order of which they go out.
`written_parameters` has its parameters. An event that has no payload, or is larger than its topic
takes, violates a constraint of the table: `lacks_payload` tells.
"""


class WrittenEvent(NamedTuple):
    """An event that goes out as it is written: its caller knows that its contract holds."""

    event_class: type[Event]
    key: str
    payload: bytes


async def publish(
    connection: AsyncConnection, outgoing: Iterable[tuple[Event, Cause]]
) -> list[UUID]:
    """Add events to the outbox within the caller's transaction; the relay sends them on.

    Returns the ids under which they are published (`ce_id`), in their order. Raises `ValueError`
    for an event larger than its topic takes: it would stop the relay for ever.
    """
    return await publish_written(connection, ((written(event), cause) for event, cause in outgoing))


def written(event: Event) -> WrittenEvent:
    """Write an event as its contract's model does."""
    return WrittenEvent(type(event), event.key(), event.model_dump_json().encode())


async def publish_written(
    connection: AsyncConnection, outgoing: Iterable[tuple[WrittenEvent, Cause]]
) -> list[UUID]:
    """Do what `publish` does, for events of which the payload is there already."""
    events: list[WrittenEvent] = []
    causes: list[Cause] = []
    for event, cause in outgoing:
        events.append(event)
        causes.append(cause)
    for event_class, _, payload in events:
        if len(payload) > largest_value(event_class.TOPIC):
            raise ValueError(f"{event_class.TYPE} is larger than {event_class.TOPIC} takes")
    ids = [new_id() for _ in events]
    await _insert(
        connection,
        ids=ids,
        topics=[event.event_class.TOPIC for event in events],
        keys=[event.key for event in events],
        types=[event.event_class.TYPE for event in events],
        payloads=[event.payload for event in events],
        tenants=[cause.tenant_id for cause in causes],
        correlations=[cause.correlation_id for cause in causes],
        traceparents=new_traceparents([cause.traceparent for cause in causes]),
        headers=[None] * len(events),
    )
    return ids


def written_parameters(event_class: type[Event], cause: Cause) -> dict[str, object]:
    """Return the parameters of `INSERT_WRITTEN`."""
    version, trace_id, _, flags = new_traceparent(cause.traceparent).split("-")
    return {
        "event_topic": event_class.TOPIC,
        "event_type": event_class.TYPE,
        "event_largest": largest_value(event_class.TOPIC),
        "event_tenant_id": cause.tenant_id,
        "event_correlation_id": cause.correlation_id,
        "event_traceparent": f"{version}-{trace_id}-%s-{flags}",
        "event_time": now(),
    }


def lacks_payload(error: DBAPIError) -> bool:
    """Tell whether `INSERT_WRITTEN` failed for an event without payload or with too large a one."""
    source = getattr(error.orig, "__cause__", None)
    return isinstance(source, asyncpg.NotNullViolationError) and source.column_name == "payload"


async def publish_dead_letters(
    connection: AsyncConnection,
    letters: Sequence[tuple[str, bytes | None, Sequence[tuple[str, bytes | None]]]],
) -> None:
    """Add dead letters (topic, value, headers) to the outbox within the caller's transaction."""
    count = len(letters)
    await _insert(
        connection,
        ids=[new_id() for _ in letters],
        topics=[topic for topic, _, _ in letters],
        keys=[""] * count,
        types=["dead-letter"] * count,
        payloads=[value or b"" for _, value, _ in letters],
        tenants=[None] * count,
        correlations=[""] * count,
        traceparents=[None] * count,
        headers=[dump_headers(headers) for _, _, headers in letters],
    )


def load_headers(dumped: Sequence[tuple[str, str | None]]) -> list[tuple[str, bytes | None]]:
    """Turn what a `headers` column holds into Kafka headers."""
    return [
        (
            base64.b64decode(name).decode(),
            None if value is None else base64.b64decode(value),
        )
        for name, value in dumped
    ]


def dump_headers(headers: Sequence[tuple[str, bytes | None]]) -> str:
    """Turn Kafka headers of any content into JSON for a jsonb column."""
    pairs = [
        (
            base64.b64encode(name.encode("utf-8", "backslashreplace")).decode(),
            None if value is None else base64.b64encode(value).decode(),
        )
        for name, value in headers
    ]
    return json.dumps(pairs)


async def _insert(connection: AsyncConnection, **columns: Sequence[Any]) -> None:
    """Add rows, given by their columns, with the time that it is."""
    if columns["ids"]:
        await connection.execute(_INSERT, {**columns, "time": now()})
