"""The Kafka topics, as `topics.toml` lists them."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

_MILLISECONDS_PER_DAY = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: what stands in it, how it is kept, and who may do what."""

    name: str
    description: str
    key: tuple[str, ...]
    """Names of fields; the first that is not None is the key."""
    partitions: int
    """Never changed: the order for each key hangs on it."""
    retention_days: int | None
    """None: for ever."""
    compacted: bool
    """Whether only the newest message of each key is kept."""
    owner: str
    """The team or service that decides about the topic."""
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    types: tuple[str, ...]
    """The types of the events in it."""
    personal_data: bool
    max_message_bytes: int

    @property
    def dead_letter_name(self) -> str:
        """Topic for messages of this topic that a reader can never use."""
        return f"{self.name}.dlq"

    @property
    def configuration(self) -> dict[str, str]:
        """The topic's configuration as Kafka names it."""
        return _configuration(self.retention_days, self.compacted, self.max_message_bytes)


@dataclass(frozen=True, slots=True)
class DeadLetterTopics:
    """What all dead-letter topics have in common: each reader of a topic reads and writes its."""

    partitions: int
    retention_days: int
    max_message_bytes: int
    """More than any topic takes, so that a message fits with the reason and its headers."""

    @property
    def configuration(self) -> dict[str, str]:
        """The topics' configuration as Kafka names it."""
        return _configuration(self.retention_days, False, self.max_message_bytes)


def _configuration(
    retention_days: int | None, compacted: bool, max_message_bytes: int
) -> dict[str, str]:
    days = -1 if retention_days is None else retention_days * _MILLISECONDS_PER_DAY
    return {
        "cleanup.policy": "compact" if compacted else "delete",
        "retention.ms": str(days),
        "max.message.bytes": str(max_message_bytes),
    }


def load(content: str) -> tuple[dict[str, Topic], DeadLetterTopics]:
    """The topics by name, and what their dead-letter topics have in common."""
    document = tomllib.loads(content)
    topics = {name: _topic(name, table) for name, table in document["topics"].items()}
    return topics, DeadLetterTopics(**document["dead_letters"])


def _topic(name: str, table: dict[str, Any]) -> Topic:
    retention = table["retention"]
    return Topic(
        name=name,
        description=table["description"],
        key=tuple(table["key"]),
        partitions=table["partitions"],
        retention_days=None if retention == "forever" else retention,
        compacted=table["compacted"],
        owner=table["owner"],
        writers=tuple(table["writers"]),
        readers=tuple(table["readers"]),
        types=tuple(table["types"]),
        personal_data=table["personal_data"],
        max_message_bytes=table["max_message_bytes"],
    )


TOPICS, DEAD_LETTERS = load(files("contracts").joinpath("topics.toml").read_text("utf-8"))
