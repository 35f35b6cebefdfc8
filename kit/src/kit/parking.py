"""Messages that came before the thing they speak of: kept, and handled again once it is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit import outbox
from kit.clock import now
from kit.messages import Message, Record

PARKED_AT_MOST = timedelta(days=30)
"""How long a message waits; as long as Kafka keeps the topics it came from."""

_FIRST_RETRY = timedelta(seconds=5)
_LAST_RETRY = timedelta(minutes=10)

_COLUMNS = 'seq, topic, partition, "offset", key, value, headers, parked_at, tries'

# These wait for who has the rows locked: what was parked first must be handled before what came
# later. So what is due is not taken alone either, but with all that is parked under its key.
_TAKE_DUE = text(
    f"""
    DELETE FROM parked WHERE seq IN (
        SELECT seq FROM parked
        WHERE (topic, key) IN (
            SELECT topic, key FROM parked WHERE next_try_at <= now() ORDER BY seq LIMIT :limit
        )
        ORDER BY seq FOR UPDATE
    )
    RETURNING {_COLUMNS}
    """  # noqa: S608 - the columns are a constant
)
# What another transaction takes out at this moment is still seen: that is waited for.
_FIRST = text("SELECT min(seq) FROM parked")
_WITH_KEYS = """parked
        JOIN unnest(CAST(:topics AS text[]), CAST(:keys AS bytea[])) AS lane (topic, key)
             USING (topic, key)"""
_HAS_SAME_KEYS = text(f"SELECT EXISTS (SELECT FROM {_WITH_KEYS})")  # noqa: S608 - a constant
_TAKE_SAME_KEYS = text(
    f"""
    DELETE FROM parked WHERE seq IN (
        SELECT seq FROM {_WITH_KEYS}
        ORDER BY seq FOR UPDATE OF parked
    )
    RETURNING {_COLUMNS}
    """  # noqa: S608 - constants
)
_TAKE_WAITING = text(
    f"""
    DELETE FROM parked WHERE seq IN (
        SELECT seq FROM parked WHERE waits_for = ANY (CAST(:things AS text[]))
        ORDER BY seq FOR UPDATE
    )
    RETURNING {_COLUMNS}
    """  # noqa: S608 - the columns are a constant
)
_PARK = text(
    """
    INSERT INTO parked (waits_for, topic, partition, "offset", key, value, headers, parked_at,
                        tries, next_try_at)
    VALUES (:waits_for, :topic, :partition, :offset, :key, :value, CAST(:headers AS jsonb),
            :parked_at, :tries, :next_try_at)
    """
)
_ARRIVED = text(
    """
    UPDATE parked SET next_try_at = now()
    WHERE waits_for = ANY (CAST(:things AS text[])) AND next_try_at > now()
    """
)


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """A record that waits: since when, and how often it was tried in vain."""

    record: Record
    parked_at: datetime
    tries: int


async def take_due(connection: AsyncConnection, limit: int) -> list[ParkedRecord]:
    """Take out records whose next try is due, at most `limit`, and all others of their keys.

    Oldest first.
    """
    rows = await connection.execute(_TAKE_DUE, {"limit": limit})
    return _parked_records(rows.all())


async def take_same_keys(
    connection: AsyncConnection, records: Sequence[Record]
) -> list[ParkedRecord]:
    """Take out what is parked under the keys of `records`: it goes before them.

    Mostly nothing is parked at all: that is asked first, for hundreds of keys take longer to send.
    """
    if await connection.scalar(_FIRST) is None:
        return []
    lanes = {(record.topic, record.key) for record in records if record.key is not None}
    parameters = {"topics": [topic for topic, _ in lanes], "keys": [key for _, key in lanes]}
    taken: list[ParkedRecord] = []
    # Who was waited for may have parked the same again: only another statement sees that.
    while await connection.scalar(_HAS_SAME_KEYS, parameters):
        rows = await connection.execute(_TAKE_SAME_KEYS, parameters)
        taken += _parked_records(rows.all())
    return taken


async def take_waiting(connection: AsyncConnection, things: Sequence[str]) -> list[ParkedRecord]:
    """Take out what waits for any of `things`, oldest first.

    What another transaction parks at this moment is not seen: its own next try finds the thing.
    """
    rows = await connection.execute(_TAKE_WAITING, {"things": list(things)})
    return _parked_records(rows.all())


async def park(
    connection: AsyncConnection,
    early: Sequence[tuple[Message[Any], str]],
    before: Sequence[ParkedRecord],
) -> list[Record]:
    """Keep messages that came too early; return the records that have waited for too long.

    `before` are the records that were parked already: they keep their age, and the pause before
    their next try doubles.
    """
    known = {id(parked.record): parked for parked in before}
    time = now()
    rows, too_long = [], []
    for message, waits_for in early:
        record = message.record
        old = known.get(id(record))
        since, tries = (old.parked_at, old.tries + 1) if old else (time, 0)
        if time - since > PARKED_AT_MOST:
            too_long.append(record)
            continue
        rows.append(
            {
                "waits_for": waits_for,
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "key": record.key,
                "value": record.value,
                "headers": outbox.dump_headers(record.headers),
                "parked_at": since,
                "tries": tries,
                "next_try_at": time + min(_FIRST_RETRY * 2 ** min(tries, 10), _LAST_RETRY),
            }
        )
    if rows:
        await connection.execute(_PARK, rows)
    return too_long


async def make_due(connection: AsyncConnection, things: Sequence[str]) -> bool:
    """Let what waits for `things` be tried next; tell whether anything does."""
    result = await connection.execute(_ARRIVED, {"things": list(things)})
    return result.rowcount > 0


def _parked_records(rows: Sequence[Any]) -> list[ParkedRecord]:
    return [
        ParkedRecord(
            Record(
                row.topic,
                row.partition,
                row.offset,
                row.key,
                row.value,
                outbox.load_headers(row.headers),
            ),
            row.parked_at,
            row.tries,
        )
        for row in sorted(rows, key=lambda row: row.seq)
    ]
