"""Everything published a second time, in another order across keys, changes nothing (R60)."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts import TOPICS
from local_stack.stack import SERVICES, Stack
from tests.e2e.story import LIMIT, Tenant, rows

PLUMBING = ("outbox", "inbox", "parked", "idempotency_keys", "alembic_version")


def test_everything_published_again_changes_nothing(
    stack: Stack, make_tenant: Callable[[int], Tenant]
) -> None:
    tell_a_whole_story(make_tenant(120))
    wait_until_all_is_quiet(stack)
    before = {service: fingerprint(stack, service) for service in SERVICES}
    again = asyncio.run(publish_again(stack.kafka.bootstrap_servers, random.Random(7)))
    assert again > 1_000
    wait_until_all_is_quiet(stack)
    for service in SERVICES:
        assert fingerprint(stack, service) == before[service], service


def tell_a_whole_story(tenant: Tenant) -> None:
    """Use every kind of event: answers, file numbers, payments, closing, reversal, export."""
    tenant.publish_members()
    agency = tenant.partner_by_api(answer="CALLBACK", reject_every=7, pay_percent=50)
    run_id = tenant.start_run(agency)
    tenant.await_run(run_id, "HANDED_OVER")
    case = tenant.all_cases(run_id, status="OPEN")[0]
    path = f"/v1/cases/{case['case_id']}"
    tenant.cases.put(f"{path}/file-number", {"file_number": "AZ 1"})
    tenant.cases.post(f"{path}/closure", {"comment": "erledigt"})
    tenant.export_rows(run_id)
    order = {"confirmed": True, "reason": "falsche Auswahl"}
    tenant.runs.post(f"/v1/runs/{run_id}/reversal", order)
    tenant.await_run(run_id, "CANCELLED")


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
        return dict(await consumer.end_offsets(all_places()))
    finally:
        await consumer.stop()


def all_places() -> list[TopicPartition]:
    """Return every partition of every topic."""
    return [
        TopicPartition(topic.name, number)
        for topic in TOPICS.values()
        for number in range(topic.partitions)
    ]


async def publish_again(bootstrap_servers: str, chance: random.Random) -> int:
    """Publish every message again under its id: keys in another order, each key in its own."""
    by_key: defaultdict[tuple[str, bytes], list[ConsumerRecord]] = defaultdict(list)
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, enable_auto_commit=False
    ) as consumer:
        consumer.assign(all_places())
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(all_places())
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    by_key[record.topic, record.key].append(record)
    queues = list(by_key.values())
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, enable_idempotence=True
    ) as producer:
        sent = []
        while queues:
            place = chance.randrange(len(queues))
            record = queues[place].pop(0)
            sent.append(
                await producer.send(
                    record.topic, record.value, key=record.key, headers=list(record.headers)
                )
            )
            if not queues[place]:
                queues[place] = queues[-1]
                queues.pop()
        await asyncio.gather(*sent)
    return len(sent)
