"""Poison in each subscribed topic: the good messages around it act, each bad one is set aside.

Named to run last on the shared stack: a client of another make that reads a topic from the start
may not survive a header name that is not UTF-8.
"""

import asyncio
import importlib
import json
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.producer import message_accumulator, producer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from contracts import EVENTS, TOPICS, Topic
from contracts.examples import load_examples
from local_stack.stack import SERVICES, Stack
from tests.e2e.story import LIMIT, Partner, Tenant, rows
from tests.kit.test_records import RawName

Headers = list[tuple[str, bytes | None]]
Message = tuple[bytes, bytes | None, Headers]


def handled_types(topic: Topic) -> dict[str, str]:
    """Return a type of the topic that is handled, for each service that reads it."""
    found: dict[str, str] = {}
    for service in SERVICES:
        main = importlib.import_module(service.replace("-", "_") + ".main")
        for type_ in topic.types:
            if type_ in main.service.subscriptions.handlers:
                found.setdefault(service, type_)
    return found


SUBSCRIBED = [topic for topic in TOPICS.values() if handled_types(topic)]


def example(type_: str, tenant_id: UUID, partner: Partner) -> tuple[bytes, bytes, Headers]:
    """Return key, value and headers of a golden example, as of a tenant and its partner."""
    first = load_examples(type_)[0]
    own = {"ce_id": str(uuid4()).encode(), "ce_tenantid": str(tenant_id).encode()}
    headers = [(name, own.get(name, content)) for name, content in first.kafka_headers]
    known = {"partner_id": partner.partner_id} if "partner_id" in first.data else {}
    value = json.dumps(first.data | known).encode()
    return EVENTS[type_].model_validate_json(value).key().encode(), value, headers


def poison(good: tuple[bytes, bytes, Headers], type_: str) -> dict[str, Message]:
    """Return what nobody can use, by what is wrong with it."""
    key, value, headers = good

    def changed(name: str, content: bytes | None) -> Headers:
        return [(each, content if each == name else old) for each, old in headers]

    base, _, _ = type_.rpartition(".")
    return {
        "not-json": (key, b"{no json", changed("ce_id", b"p1")),
        "schema": (key, b'{"wrong": 1}', changed("ce_id", b"p2")),
        "unknown-type": (key, value, changed("ce_type", b"weather.changed.v1")),
        "unknown-version": (key, value, changed("ce_type", f"{base}.v9".encode())),
        "headers missing": (key, value, [pair for pair in headers if pair[0] != "ce_source"]),
        "headers null": (key, value, changed("ce_time", None)),
        "headers not UTF-8": (key, value, changed("ce_source", b"\xff\xfe")),
        "headers name": (key, value, [*headers, (RawName("xx"), b"1")]),
        "tombstone": (key, None, changed("ce_id", b"p3")),
        "too-large": (key, value[:-1] + b" " * 1_010_000 + b"}", changed("ce_id", b"p4")),
    }


async def publish(
    bootstrap_servers: str, type_: str, make: Callable[[], tuple[bytes, bytes, Headers]]
) -> list[str]:
    """Publish good, bad, good, bad …; return the ids of the good ones."""
    topic = EVENTS[type_].TOPIC
    good: list[str] = []
    bad = list(poison(make(), type_).values())
    async with (
        AIOKafkaProducer(bootstrap_servers=bootstrap_servers, max_request_size=1 << 22) as plain,
        AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers, compression_type="zstd"
        ) as compressed,
    ):
        for number in range(len(bad) + 1):
            key, value, headers = make()
            good.append(dict(headers)["ce_id"].decode())  # type: ignore[union-attr]
            headers.append(("reply_to", b"collection.export.v1"))
            await (compressed if number % 2 else plain).send(
                topic, value, key=key, headers=headers, partition=0
            )
            if number < len(bad):
                bad_key, bad_value, bad_headers = bad[number]
                await plain.send(topic, bad_value, key=bad_key, headers=bad_headers, partition=0)
    return good


@pytest.mark.parametrize("topic", SUBSCRIBED, ids=lambda topic: topic.name)
def test_poison_harms_nobody_else(
    stack: Stack,
    make_tenant: Callable[[int], Tenant],
    topic: Topic,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (producer, message_accumulator):  # to write a header name that is not UTF-8
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    kafka = stack.kafka.bootstrap_servers
    dead_topic = TopicPartition(topic.dead_letter_name, 0)
    start = asyncio.run(end_of(kafka, dead_topic))
    replies = asyncio.run(end_of(kafka, TopicPartition("collection.export.v1", 0)))
    tenant = make_tenant(0)
    partner = tenant.partner_by_api(answer="SILENT")
    for service, type_ in handled_types(topic).items():
        assert service in topic.readers
        make = partial(example, type_, tenant.tenant_id, partner)
        first = asyncio.run(end_of(kafka, TopicPartition(topic.name, 0)))
        good = asyncio.run(publish(kafka, type_, make))
        expected = Counter(reasons(make(), type_))
        wait_for_dead_letters(kafka, dead_topic, start, service, first, expected)
        wait_for_messages(stack, service, good)
    assert asyncio.run(end_of(kafka, TopicPartition("collection.export.v1", 0))) == replies


def reasons(good: tuple[bytes, bytes, Headers], type_: str) -> list[str]:
    """Return the reason that each kind of poison must be set aside for."""
    return [name.split(" ")[0] for name in poison(good, type_)]


def wait_for_messages(stack: Stack, service: str, ids: list[str]) -> None:
    """Wait until a service has handled all of these: the last one may come in a later batch."""
    known = "SELECT count(*) FROM inbox WHERE id = ANY ($1)"
    ends_at = time.monotonic() + LIMIT
    while (found := rows(stack, service, known, ids)[0][0]) < len(ids):
        assert time.monotonic() < ends_at, f"{found} of {len(ids)} good messages were handled"
    assert found == len(ids)


def wait_for_dead_letters(
    kafka: str,
    place: TopicPartition,
    start: int,
    service: str,
    first: int,
    expected: Counter[str],
) -> None:
    """Wait until a service's dead letters since `start` are as expected.

    Those of messages before `first` are of what others were sent.
    """
    ends_at = time.monotonic() + LIMIT
    found: Counter[str] = Counter()
    while found != expected:
        assert time.monotonic() < ends_at, f"dead letters: {found}, expected: {expected}"
        found = Counter(asyncio.run(read_reasons(kafka, place, start, service, first)))
        assert found <= expected, f"dead letters: {found}, expected: {expected}"


async def read_reasons(
    kafka: str, place: TopicPartition, start: int, service: str, first: int
) -> list[str]:
    """Return the reasons of a service's dead letters, of messages from the offset `first` on."""
    found = []
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka, enable_auto_commit=False, max_partition_fetch_bytes=1 << 22
    ) as consumer:
        consumer.assign([place])
        consumer.seek(place, start)
        end = (await consumer.end_offsets([place]))[place]
        while await consumer.position(place) < end:
            for record in (await consumer.getmany(timeout_ms=500)).get(place, []):
                about: dict[str, Any] = dict(record.headers)
                if about["dlq_consumer"] == service.encode():
                    assert about["dlq_topic"] == place.topic.removesuffix(".dlq").encode()
                    if int(about["dlq_offset"]) >= first:
                        found.append(about["dlq_reason"].decode())
    return found


async def end_of(kafka: str, place: TopicPartition) -> int:
    """Return the end of a partition."""
    async with AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False) as consumer:
        return int((await consumer.end_offsets([place]))[place])
