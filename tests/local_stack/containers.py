"""PostgreSQL and Kafka in containers: the same interface, where a Docker engine answers.

Not part of the ordinary tests, for not every machine has one: `make test-containers`.
"""

from pathlib import Path

import asyncpg

from local_stack import engines
from local_stack.kafka import KafkaInContainer
from local_stack.postgres import PostgresInContainer


async def test_postgres_in_a_container_keeps_data_and_port_over_a_kill(tmp_path: Path) -> None:
    with engines.postgres(tmp_path, log=tmp_path / "log") as server:
        assert isinstance(server, PostgresInContainer)
        print(server.description)
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
        print(kafka.description)
        address = kafka.bootstrap_servers
        kafka.kill()
        kafka.start()
        kafka.stop()
        kafka.start()
        assert kafka.bootstrap_servers == address
