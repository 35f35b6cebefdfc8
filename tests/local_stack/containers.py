"""PostgreSQL and Kafka in containers: the same interface, where a Docker engine answers.

Not part of the ordinary tests, for not every machine has one: `make test-containers`.
"""

from contextlib import closing
from datetime import date
from pathlib import Path

import asyncpg

from local_stack import engines
from local_stack.data import Population
from local_stack.figures import Figures, candidates, figures_of
from local_stack.http_client import ServiceClient, until
from local_stack.kafka import KafkaInContainer
from local_stack.postgres import PostgresInContainer
from local_stack.publish import publish, snapshots
from local_stack.stack import Stack


async def test_postgres_in_a_container_keeps_data_and_port_over_a_kill(tmp_path: Path) -> None:
    with engines.postgres(tmp_path, log=tmp_path / "log") as server:
        assert isinstance(server, PostgresInContainer)
        server.create_database("kept")
        connection = await asyncpg.connect(server.url("kept"))
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        server.kill()
        server.start()
        connection = await asyncpg.connect(server.url("kept"))
        assert await connection.fetchval("SELECT number FROM kept") == 1
        await connection.close()
        server.stop("immediate")
        server.start()


def test_kafka_in_a_container_answers_again_after_a_kill_and_a_stop(tmp_path: Path) -> None:
    with engines.kafka(tmp_path, log=tmp_path / "log") as kafka:
        assert isinstance(kafka, KafkaInContainer)
        address = kafka.bootstrap_servers
        kafka.kill()
        kafka.start()
        kafka.stop()
        kafka.start()
        assert kafka.bootstrap_servers == address


async def test_the_whole_stack_runs_on_containers(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        assert isinstance(stack.postgres, PostgresInContainer)
        assert isinstance(stack.kafka, KafkaInContainer)
        population = Population(members=20, today=date(2026, 11, 22))
        await publish(stack.kafka.bootstrap_servers, stack.tenant_id, snapshots(population))
        expected = figures_of(candidates(population))
        url = stack.service("run-service").url
        with closing(ServiceClient(url, stack.token())) as run_service:
            until(
                lambda: run_service.get("/v1/candidates/summary"),
                lambda summary: Figures.of_answer(summary) == expected,
                limit=60,
                what="run-service finds the candidates",
            )
