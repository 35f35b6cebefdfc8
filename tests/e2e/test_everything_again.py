"""Everything published a second time, in another order across keys, changes nothing (R60)."""

import asyncio
import random
import time
from collections import defaultdict, deque
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts import EVENTS, TOPICS
from local_stack.stack import SERVICES, Stack
from tests.e2e.kafka_reader import Received
from tests.e2e.story import LIMIT, rows
from tests.e2e.whole_story import Story

PLUMBING = ("outbox", "inbox", "parked", "idempotency_keys", "alembic_version")


def test_everything_published_again_changes_nothing(stack: Stack, story: Story) -> None:
    assert {message.type for message in story.messages} == EVENTS.keys()
    wait_until_all_is_quiet(stack)
    before = {service: fingerprint(stack, service) for service in SERVICES}
    asyncio.run(publish_again(stack.kafka.bootstrap_servers, story.messages, random.Random(7)))
    wait_until_all_is_quiet(stack)
    for service in SERVICES:
        assert fingerprint(stack, service) == before[service], service


def fingerprint(stack: Stack, service: str) -> dict[str, str]:
    """Return a hash of the content of each of a service's own tables."""
    tables = rows(
        stack, service, "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
    )
    return {
        table["name"]: rows(
            stack,
            service,
            "SELECT count(*) || ' ' || coalesce(md5(string_agg(line, '\n')), '') AS hash FROM "
            f'(SELECT t::text AS line FROM "{table["name"]}" AS t ORDER BY 1) AS lines',
        )[0]["hash"]
        for table in tables
        if table["name"] not in PLUMBING
    }


def wait_until_all_is_quiet(stack: Stack) -> None:
    """Wait until every outbox is empty, every message is read, and no new one comes."""
    ends_at = time.monotonic() + LIMIT
    quiet_before: dict[TopicPartition, int] | None = None
    while True:
        assert time.monotonic() < ends_at, "the stack does not come to rest"
        ends = asyncio.run(unread(stack.kafka.bootstrap_servers))
        outboxes = [rows(stack, name, "SELECT count(*) FROM outbox")[0][0] for name in SERVICES]
        if ends is not None and ends == quiet_before and not any(outboxes):
            return
        quiet_before = ends
        time.sleep(1)


async def unread(bootstrap_servers: str) -> dict[TopicPartition, int] | None:
    """Return the ends of all partitions when each service has read to them, else None."""
    ends = await ends_of_topics(bootstrap_servers)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        for service in SERVICES:
            committed = await admin.list_consumer_group_offsets(service)
            for place, offset in committed.items():
                if offset.offset < ends[place]:
                    return None
    finally:
        await admin.close()
    return ends


async def ends_of_topics(bootstrap_servers: str) -> dict[TopicPartition, int]:
    """Return where each partition of each topic ends."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [
            TopicPartition(topic.name, number)
            for topic in TOPICS.values()
            for number in range(topic.partitions)
        ]
        return dict(await consumer.end_offsets(places))
    finally:
        await consumer.stop()


async def publish_again(
    bootstrap_servers: str, messages: Sequence[Received], chance: random.Random
) -> None:
    """Publish messages again under their ids: keys in another order, each key in its own."""
    by_key: defaultdict[tuple[str, bytes], deque[Received]] = defaultdict(deque)
    for message in messages:
        by_key[message.topic, message.key].append(message)
    order = [key for key, queue in by_key.items() for _ in queue]
    chance.shuffle(order)
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, enable_idempotence=True
    ) as producer:
        again = [by_key[key].popleft() for key in order]
        sent = [
            await producer.send(
                each.topic, each.value, key=each.key, headers=list(each.headers.items())
            )
            for each in again
        ]
        await asyncio.gather(*sent)
