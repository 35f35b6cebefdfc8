"""Publishes snapshots on Kafka as the systems do that own members and claims."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID

from aiokafka import AIOKafkaProducer

from contracts import ClaimSnapshotV1, Event, MemberSnapshotV1, StudioSnapshotV1
from contracts.envelope import Envelope
from local_stack.data import Population

_BATCH = 2_000


@dataclass
class Published:
    """How many snapshots were acknowledged."""

    studios: int = 0
    members: int = 0
    claims: int = 0

    def add(self, event: Event) -> None:
        self.studios += isinstance(event, StudioSnapshotV1)
        self.members += isinstance(event, MemberSnapshotV1)
        self.claims += isinstance(event, ClaimSnapshotV1)


async def publish(
    bootstrap_servers: str,
    tenant_id: UUID,
    events: Iterable[Event],
    on_progress: Callable[[Published], None] = lambda published: None,
) -> Published:
    """Publishes snapshots of one tenant, durably and each once; `on_progress` follows it."""
    correlation_id = str(uuid.uuid4())
    published = Published()
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=True, linger_ms=5
    ) as producer:
        remaining = iter(events)
        while batch := list(islice(remaining, _BATCH)):
            await asyncio.gather(
                *[await _send(producer, tenant_id, event, correlation_id) for event in batch]
            )
            for event in batch:
                published.add(event)
            on_progress(published)
    return published


def snapshots(population: Population) -> Iterator[Event]:
    """All studios, then each member and its claims."""
    yield from population.studios
    for seeded in population.members():
        yield seeded.member
        yield from seeded.claims


async def _send(
    producer: AIOKafkaProducer, tenant_id: UUID, event: Event, correlation_id: str
) -> asyncio.Future[object]:
    envelope = Envelope(
        id=str(uuid.uuid4()),
        source="/receivables" if isinstance(event, ClaimSnapshotV1) else "/membership",
        type=event.TYPE,
        time=datetime.now(UTC),
        subject=event.key(),
        tenant_id=tenant_id,
        correlation_id=correlation_id,
        traceparent=None,
    )
    acknowledged: asyncio.Future[object] = await producer.send(
        event.TOPIC,
        key=event.key().encode(),
        value=event.model_dump_json().encode(),
        headers=envelope.to_headers(),
    )
    return acknowledged
