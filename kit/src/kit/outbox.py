"""Events leave a service through its outbox: a row in the transaction of the change itself.

Invariant: a verb locks the row of the thing that an event speaks of before it publishes, so that
rows of one key get their `seq` in the order in which their transactions commit.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Event
from kit.clock import now
from kit.ids import new_id
from kit.messages import largest_value
from kit.trace import Cause, new_traceparent

_INSERT = text(
    """
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, tenantid,
                        correlationid, traceparent, time, headers)
    SELECT id, aggregatetype, aggregateid, type, payload, tenantid,
           correlationid, traceparent, time, CAST(headers AS jsonb)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:topics AS text[]), CAST(:keys AS text[]),
                CAST(:types AS text[]), CAST(:payloads AS bytea[]), CAST(:tenants AS uuid[]),
                CAST(:correlations AS text[]), CAST(:traceparents AS text[]),
                CAST(:times AS timestamptz[]), CAST(:headers AS text[]))
         WITH ORDINALITY AS new (id, aggregatetype, aggregateid, type, payload, tenantid,
                                 correlationid, traceparent, time, headers, place)
    ORDER BY place
    """
)

Row = tuple[UUID, str, str, str, bytes, UUID | None, str, str | None, datetime, str | None]


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
    time = now()
    rows: list[Row] = []
    for (event_class, key, payload), cause in outgoing:
        if len(payload) > largest_value(event_class.TOPIC):
            raise ValueError(f"{event_class.TYPE} is larger than {event_class.TOPIC} takes")
        rows.append(
            (
                new_id(),
                event_class.TOPIC,
                key,
                event_class.TYPE,
                payload,
                cause.tenant_id,
                cause.correlation_id,
                new_traceparent(cause.traceparent),
                time,
                None,
            )
        )
    await _insert(connection, rows)
    return [id_ for id_, *_ in rows]


async def publish_dead_letters(
    connection: AsyncConnection,
    letters: Sequence[tuple[str, bytes | None, Sequence[tuple[str, bytes | None]]]],
) -> None:
    """Add dead letters (topic, value, headers) to the outbox within the caller's transaction."""
    time = now()
    rows: list[Row] = [
        (
            new_id(),
            topic,
            "",
            "dead-letter",
            value or b"",
            None,
            "",
            None,
            time,
            dump_headers(headers),
        )
        for topic, value, headers in letters
    ]
    await _insert(connection, rows)


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


async def _insert(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    if not rows:
        return
    names = (
        "ids",
        "topics",
        "keys",
        "types",
        "payloads",
        "tenants",
        "correlations",
        "traceparents",
        "times",
        "headers",
    )
    columns: dict[str, Any] = {
        name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    await connection.execute(_INSERT, columns)
