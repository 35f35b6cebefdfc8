"""Everything published a second time, in another order across keys, changes nothing (R60)."""

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from contracts import EVENTS
from local_stack.stack import SERVICES, Stack
from tests.e2e.kafka_reader import Received
from tests.e2e.quiet import wait_until_all_is_quiet
from tests.e2e.story import rows
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
