"""How far a run is, seen cheaply: by the places of its messages in Kafka, and by its outboxes.

A service commits what it has read after the transaction that handled it. So the place that it has
committed says how many members it has done, and asks nothing of its database.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from case_service.subscribers import subscriptions as of_case_service
from contracts import TOPICS, CaseOpenedV1, MemberHandedOverV1
from export_service.subscribers import subscriptions as of_export_service
from local_stack.http_client import Answer, ServiceClient
from local_stack.stack import SERVICES, Stack
from partner_gateway.subscribers import subscriptions as of_partner_gateway
from run_service.subscribers import subscriptions as of_run_service

READS = {
    "run-service": of_run_service.topics,
    "case-service": of_case_service.topics,
    "export-service": of_export_service.topics,
    "partner-gateway": of_partner_gateway.topics,
}
"""The topics that each service reads."""
HANDOVERS = MemberHandedOverV1.TOPIC
CASES = CaseOpenedV1.TOPIC

# Rows go in the order in which they came, so its ends tell how many there are; to count them
# would be to read all that went and was not yet cleared away.
_OUTBOX = "SELECT coalesce(max(seq) - min(seq) + 1, 0) FROM outbox"

Places = Mapping[TopicPartition, int]


@dataclass(frozen=True)
class Look:
    """What was seen at one moment; `at` is in seconds of `time.perf_counter`."""

    at: float
    run: Answer
    outboxes: Mapping[str, int]
    """Events that wait to be published, by service."""
    written: Mapping[str, int]
    """Messages that lie in each topic."""
    done: Mapping[tuple[str, str], int]
    """Messages that a service has done of a topic."""

    @property
    def lags(self) -> dict[str, int]:
        """Messages that each service has still to read."""
        return {
            service: sum(self.written[topic] - self.done[service, topic] for topic in topics)
            for service, topics in READS.items()
        }

    @property
    def is_quiet(self) -> bool:
        """Whether everything is published and read."""
        return not any((*self.outboxes.values(), *self.lags.values()))


class Looking:
    """Connections to Kafka and to the databases, to look with."""

    def __init__(self, stack: Stack, runs: ServiceClient) -> None:
        self._stack = stack
        self._runs = runs
        self._ends = AsyncExitStack()
        servers = stack.kafka.bootstrap_servers
        self._consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
        self._admin = AIOKafkaAdminClient(bootstrap_servers=servers)
        self._databases: dict[str, asyncpg.Connection] = {}
        self._coordinators: dict[str, int] = {}
        """Which broker keeps the places of each service."""
        self._places = [
            TopicPartition(topic, number)
            for topic in sorted({topic for topics in READS.values() for topic in topics})
            for number in range(TOPICS[topic].partitions)
        ]

    async def __aenter__(self) -> Self:
        await self._ends.enter_async_context(self._consumer)
        await self._admin.start()
        self._ends.push_async_callback(self._admin.close)
        for service in SERVICES:
            connection = await asyncpg.connect(self._stack.database_url(service))
            self._ends.push_async_callback(connection.close)
            self._databases[service] = connection
            self._coordinators[service] = await self._admin.find_coordinator(service)
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._ends.aclose()

    async def look(self, run_id: str | None = None) -> Look:
        """Look once; at a run, too, if one is named."""
        run: Answer = {}
        if run_id is not None:
            run = await asyncio.to_thread(self._runs.get, f"/v1/runs/{run_id}")
        outboxes = {
            service: int(await connection.fetchval(_OUTBOX))
            for service, connection in self._databases.items()
        }
        # Not the other way round: what is written in between would be done before it is written.
        done = {service: await self._committed(service) for service in SERVICES}
        written = await self._consumer.end_offsets(self._places)
        return Look(
            at=time.perf_counter(),
            run=run,
            outboxes=outboxes,
            written={topic: _sum_of(written, topic) for topic in _topics(written)},
            done={
                (service, topic): _sum_of(done[service], topic)
                for service, topics in READS.items()
                for topic in topics
            },
        )

    async def _committed(self, service: str) -> Places:
        coordinator = self._coordinators[service]
        committed = await self._admin.list_consumer_group_offsets(service, coordinator)
        return {place: max(0, found.offset) for place, found in committed.items()}

    async def count(self, service: str, query: str, *arguments: object) -> int:
        """Ask the database of a service for a number."""
        return int(await self._databases[service].fetchval(query, *arguments))


def _topics(places: Places) -> set[str]:
    return {place.topic for place in places}


def _sum_of(places: Places, topic: str) -> int:
    return sum(offset for place, offset in places.items() if place.topic == topic)
