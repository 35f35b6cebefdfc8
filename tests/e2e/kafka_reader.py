"""Reads Kafka with clients that are not ours."""

import time
from collections.abc import Mapping
from typing import NamedTuple
from uuid import uuid4

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from contracts import TOPICS
from local_stack.stack import Stack
from tests.e2e.story import LIMIT


class Received(NamedTuple):
    """A message as this team's client has it."""

    topic: str
    partition: int
    key: bytes
    headers: Mapping[str, bytes]
    value: bytes

    @property
    def event(self) -> BaseCloudEvent:
        """The message as a CloudEvent."""
        return from_binary(KafkaMessage(dict(self.headers), self.key, self.value), JSONFormat())

    @property
    def type(self) -> str:
        """The type of its event."""
        return self.headers["ce_type"].decode()


def read_everything(stack: Stack) -> list[Received]:
    """Read each partition of each topic to its end, as any team would."""
    consumer = Consumer(
        {
            "bootstrap.servers": stack.kafka.bootstrap_servers,
            "group.id": f"team-{uuid4()}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    unread = {
        (topic.name, number) for topic in TOPICS.values() for number in range(topic.partitions)
    }
    consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in sorted(unread)])
    received = []
    ends_at = time.monotonic() + LIMIT
    try:
        while unread:
            assert time.monotonic() < ends_at, f"not read to the end: {unread}"
            for message in consumer.consume(num_messages=1000, timeout=1):
                if (error := message.error()) is None:
                    received.append(as_received(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(place_of(message))
                else:
                    raise AssertionError(error.str())
    finally:
        consumer.close()
    return received


def as_received(message: Message) -> Received:
    """Return a message, without headers that this client cannot read (poison of other tests)."""
    topic, partition = place_of(message)
    try:
        headers = dict(message.headers() or [])
    except SystemError:
        headers = {}
    known = {name: value for name, value in headers.items() if isinstance(value, bytes)}
    return Received(topic, partition, message.key() or b"", known, message.value() or b"")


def place_of(message: Message) -> tuple[str, int]:
    """Return topic and partition of a message that was read or written."""
    topic, partition = message.topic(), message.partition()
    assert topic is not None
    assert partition is not None
    return topic, partition
