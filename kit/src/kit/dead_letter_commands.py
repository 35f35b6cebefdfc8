"""`<service> dead-letters list | show | replay`: what was set aside, and how it comes back."""

import argparse
import base64
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError

from contracts import TOPICS
from kit import records
from kit.dead_letters import PREFIX
from kit.partitions import partition_of

_READ_MS = 5_000


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as it lies in its topic; `number` is its offset there."""

    number: int
    record: ConsumerRecord
    about: dict[str, str]
    """What was added when it was buried: reason, detail, consumer, topic, partition, offset."""

    @property
    def key(self) -> bytes | None:
        """The key that the record had."""
        key = self.about.get("key")
        return None if key is None else base64.b64decode(key)

    @property
    def headers(self) -> list[tuple[str, bytes | None]]:
        """The headers that the record had."""
        return [(name, value) for name, value in self.record.headers if not name.startswith(PREFIX)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to a parser."""
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="one line for each dead letter of this service")
    listing.add_argument("topic", nargs="?", choices=sorted(TOPICS), help="only of this topic")
    show = actions.add_parser("show", help="one dead letter with its headers")
    show.add_argument("topic", choices=sorted(TOPICS))
    show.add_argument("number", type=int)
    show.add_argument("--value", action="store_true", help="its value, too (personal data!)")
    replay = actions.add_parser("replay", help="publish again to where it came from")
    replay.add_argument("topic", choices=sorted(TOPICS))
    replay.add_argument("number", type=int, nargs="*", help="none: all of this topic")


async def run(bootstrap_servers: str, service: str, given: argparse.Namespace) -> int:
    """Run the command for the dead letters of `service`; return the exit code."""
    records.read_everything()
    match given.action:
        case "list":
            return await _list(bootstrap_servers, service, given.topic)
        case "show":
            return await _show(bootstrap_servers, service, given)
        case _:
            return await _replay(bootstrap_servers, service, given.topic, given.number)


async def _list(bootstrap_servers: str, service: str, topic: str | None) -> int:
    for name in [topic] if topic else sorted(TOPICS):
        for letter in await _letters(bootstrap_servers, service, name):
            about = letter.about
            origin = f"{about['topic']}/{about['partition']}/{about['offset']}"
            _say(f"{name} {letter.number}: {about['reason']} ({about['detail']}) from {origin}")
    return 0


async def _show(bootstrap_servers: str, service: str, given: argparse.Namespace) -> int:
    letters = await _letters(bootstrap_servers, service, given.topic)
    for letter in letters:
        if letter.number == given.number:
            for name, text in letter.about.items():
                _say(f"{name}: {text}")
            for name, value in letter.headers:
                _say(f"header {name}: {value!r}")
            if given.value:
                _say(f"value: {letter.record.value!r}")
            return 0
    return _fail(f"{given.topic} has no dead letter {given.number} of {service}")


async def _replay(bootstrap_servers: str, service: str, topic: str, numbers: list[int]) -> int:
    letters = await _letters(bootstrap_servers, service, topic)
    missing = set(numbers) - {letter.number for letter in letters}
    if missing:
        return _fail(f"{topic} has no dead letters {sorted(missing)} of {service}")
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers.split(","),
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",  # what was small on the wire only may come back
        max_request_size=8 * 1024 * 1024,
    )
    await producer.start()
    lost = 0
    try:
        partitions = len(await producer.partitions_for(topic))
        for letter in letters:
            if numbers and letter.number not in numbers:
                continue
            found = await _original(bootstrap_servers, letter)
            if found is None:
                lost += 1
                _say(f"{topic} {letter.number}: cannot be read where it lay")
                continue
            key, value, headers = found
            # One after the other, under the ids they had: the inbox drops what acted already.
            try:
                await producer.send_and_wait(
                    topic,
                    value,
                    key=key,
                    headers=headers,
                    partition=partition_of(key or b"", partitions),
                )
            except MessageSizeTooLargeError:
                lost += 1
                _say(f"{topic} {letter.number}: larger than the topic takes")
                continue
            _say(f"{topic} {letter.number}: replayed")
    finally:
        await producer.stop()
    return 1 if lost else 0


async def _original(
    bootstrap_servers: str, letter: Letter
) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]] | None:
    """Return the record's key, value and headers; from where it lay if they were left out."""
    if letter.about["value"] == "kept":
        return letter.key, letter.record.value, letter.headers
    place = TopicPartition(letter.about["topic"], int(letter.about["partition"]))
    offset = int(letter.about["offset"])
    async with _reader(bootstrap_servers) as reader:
        reader.assign([place])
        reader.seek(place, offset)
        found = await reader.getmany(place, timeout_ms=_READ_MS, max_records=1)
    for record in found.get(place, []):
        if record.offset == offset and records.unreadable_reason(record.headers) is None:
            return record.key, record.value, list(record.headers)
    return None


async def _letters(bootstrap_servers: str, service: str, topic: str) -> list[Letter]:
    """Return the dead letters of one consumer in a topic, oldest first."""
    place = TopicPartition(TOPICS[topic].dead_letter_name, 0)
    letters = []
    async with _reader(bootstrap_servers) as reader:
        reader.assign([place])
        await reader.seek_to_beginning(place)
        end = (await reader.end_offsets([place]))[place]
        while await reader.position(place) < end:
            for record in (await reader.getmany(place, timeout_ms=_READ_MS)).get(place, []):
                about = {
                    name.removeprefix(PREFIX): (value or b"").decode("utf-8", "replace")
                    for name, value in record.headers
                    if name.startswith(PREFIX)
                }
                if about.get("consumer") == service:
                    letters.append(Letter(record.offset, record, about))
    return letters


@asynccontextmanager
async def _reader(bootstrap_servers: str) -> AsyncIterator[AIOKafkaConsumer]:
    reader = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers.split(","),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _fail(line: str) -> int:
    sys.stderr.write(line + "\n")
    return 1
