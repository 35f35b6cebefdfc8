"""What all tests share: one real PostgreSQL, and a fresh database in it for each test."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import asyncpg
import pytest
import structlog

from kit.topics import provision
from local_stack import engines
from local_stack.postgres import PostgresServer

_numbers = count(1)


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Hand what is logged to pytest; structlog's own way renders each exception for seconds."""
    structlog.configure(
        processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share something heavy together, when several processes run the tests."""
    for item in items:
        for shared in {"stack", "kafka"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(shared))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A durable PostgreSQL 18 on a free port, for all tests of the run."""
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
async def database_url(postgres: PostgresServer) -> AsyncIterator[str]:
    """The address of an empty database for this test alone, as the services' settings take it."""
    name = f"test_{next(_numbers)}"
    postgres.create_database(name, role="tests")
    yield postgres.url(name).replace("postgresql://", "postgresql+asyncpg://")
    superuser = await asyncpg.connect(postgres.superuser_url)
    await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await superuser.close()


@pytest.fixture(scope="session")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a real Kafka with all topics, for all tests of the run."""
    directory = tmp_path_factory.mktemp("kafka")
    with engines.kafka(directory, log=directory / "kafka.log") as server:
        await provision(server.bootstrap_servers, replication=1)
        yield server.bootstrap_servers
