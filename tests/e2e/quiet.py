"""When a whole stack has come to rest."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts import TOPICS
from local_stack.stack import SERVICES, Stack
from tests.e2e.story import LIMIT, rows


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
