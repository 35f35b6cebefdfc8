"""Which Kafka and which PostgreSQL are used on this machine; the choice is always printed."""

import os
from pathlib import Path

from local_stack.docker_engine import engine_answers
from local_stack.kafka import Kafka, KafkaInContainer, KafkaServer, RunningKafka
from local_stack.postgres import Postgres, PostgresInContainer, PostgresServer
from local_stack.processes import LocalStackError

ENGINE = "LOCAL_STACK_ENGINE"
"""`containers`: both run in containers; `processes`: neither does; else see the functions."""


def kafka(directory: Path, *, log: Path) -> Kafka:
    """The Kafka that is named in the environment, else one in a container, else a process."""
    bootstrap_servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    choice = _choice()
    chosen: Kafka
    if choice is None and bootstrap_servers:
        chosen = RunningKafka(bootstrap_servers)
    elif choice == "containers" or (choice is None and engine_answers()):
        chosen = KafkaInContainer()
    else:
        chosen = KafkaServer(directory, log=log)
    print(f"Kafka: {chosen.description}", flush=True)
    return chosen


def postgres(directory: Path, *, log: Path) -> Postgres:
    """PostgreSQL from the wheel, unless containers are asked for."""
    in_container = _choice() == "containers"
    chosen = PostgresInContainer() if in_container else PostgresServer(directory, log=log)
    print(f"Database: {chosen.description}", flush=True)
    return chosen


def _choice() -> str | None:
    choice = os.environ.get(ENGINE)
    if choice not in (None, "containers", "processes"):
        raise LocalStackError(f"{ENGINE} is `containers` or `processes`, or not set")
    if choice == "containers" and not engine_answers():
        raise LocalStackError("no Docker engine answers: systemctl start docker")
    return choice
