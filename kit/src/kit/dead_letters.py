"""Records that can never work: kept in `<topic>.dlq` with the reason and where they lay."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import TOPICS
from kit import inbox_ids, metrics, outbox
from kit.clock import now
from kit.messages import Record, UnusableError

PREFIX = "dlq_"
"""Headers that begin so were added by us; all others are those of the record itself."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record and why it can never work, for one consumer."""

    record: Record
    error: UnusableError


async def bury(connection: AsyncConnection, consumer: str, letters: Sequence[DeadLetter]) -> None:
    """Put records into the dead-letter topics of theirs, through the outbox of the transaction.

    The place in Kafka serves as the id in the inbox: a record that is read again after a crash
    is buried once.
    """
    places = {_place(letter.record): letter for letter in letters}
    first = await inbox_ids.enter(connection, list(places))
    new = [letter for place, letter in places.items() if place in first]
    await outbox.publish_dead_letters(connection, [_letter(consumer, letter) for letter in new])
    for letter in new:
        metrics.dead_letters_total.labels(letter.record.topic, letter.error.reason).inc()


def _place(record: Record) -> inbox_ids.Id:
    return f"kafka:{record.topic}", f"{record.partition}:{record.offset}"


def _letter(
    consumer: str, letter: DeadLetter
) -> tuple[str, bytes | None, list[tuple[str, bytes | None]]]:
    record, error = letter.record, letter.error
    keep_value = error.keep_value and record.value is not None
    added = {
        "reason": error.reason,
        "detail": error.detail,
        "consumer": consumer,
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "buried_at": now().isoformat(),
        "value": "kept" if keep_value else "none" if record.value is None else "left out",
    }
    headers: list[tuple[str, bytes | None]] = [
        (PREFIX + name, value.encode()) for name, value in added.items()
    ]
    if error.keep_value:
        if record.key is not None:
            headers.append((PREFIX + "key", base64.b64encode(record.key)))
        headers.extend(record.headers)
    return TOPICS[record.topic].dead_letter_name, record.value if keep_value else None, headers
