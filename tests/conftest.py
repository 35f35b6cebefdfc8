"""What all tests share: one real PostgreSQL, and a fresh database in it for each test."""

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

import asyncpg
import pytest
import structlog
from xdist.scheduler import LoadScopeScheduling

from kit.database import upgrade
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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let several processes share the tests: each takes a file, or all that shares much, at a time.

    Not with xdist's groups: its marks do not reach the ids that this pytest gives to tests.
    """
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = scope_of
    return scheduler


def scope_of(test_id: str) -> str:
    """Return what is run by one process: a folder with one stack or one Kafka, else a file.

    Of a long proof, each part.
    """
    if "[seed-" in test_id:
        return test_id
    file = test_id.partition("::")[0]
    folder = file.rpartition("/")[0]
    return folder if folder in ("tests/e2e", "tests/kit") else file


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL 18 on a free port, for all tests of the run.

    It does not wait for the disk: tests end processes, never the machine, and what a process wrote
    the operating system keeps. Dropping a database takes 0.02 s so, and 0.7 s otherwise.
    """
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        server.configure("fsync", "off")
        yield server


@asynccontextmanager
async def fresh_database(
    postgres: PostgresServer, template: str = "template1"
) -> AsyncIterator[str]:
    """A database for one test alone: its address, as the services' settings take it."""
    name = f"test_{next(_numbers)}"
    postgres.create_database(name, role="tests", template=template)
    yield postgres.url(name).replace("postgresql://", "postgresql+asyncpg://")
    await _drop(postgres, name)


async def _drop(postgres: PostgresServer, name: str) -> None:
    superuser = await asyncpg.connect(postgres.superuser_url)
    await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await superuser.close()


@pytest.fixture
async def database_url(postgres: PostgresServer) -> AsyncIterator[str]:
    """The address of an empty database for this test alone."""
    async with fresh_database(postgres) as url:
        yield url


@dataclass(frozen=True)
class TwoRoles:
    """The addresses of one database, as the services' settings take them."""

    owner_url: str
    """For the role that owns it, and migrates."""
    url: str
    """For the role `service`, under which a service works."""


@pytest.fixture
async def two_roles(postgres: PostgresServer) -> AsyncIterator[TwoRoles]:
    """An empty database for this test alone, with two roles as in production."""
    name = f"test_{next(_numbers)}"
    postgres.create_database(name, role="service", owner="owner")
    owner_url, url = (
        made.replace("postgresql://", "postgresql+asyncpg://")
        for made in (postgres.owner_url(name), postgres.url(name))
    )
    yield TwoRoles(owner_url, url)
    await _drop(postgres, name)


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> Callable[[str], AbstractAsyncContextManager[str]]:
    """Make databases that are migrated: once for each package, and copied for each test."""

    @cache
    def template_of(package: str) -> str:
        name = package.replace(".", "_")
        postgres.create_database(name, role="tests")
        url = postgres.url(name).replace("postgresql://", "postgresql+asyncpg://")
        with ThreadPoolExecutor(1) as thread:  # it runs a loop of its own
            thread.submit(upgrade, url, package).result()
        return name

    return lambda package: fresh_database(postgres, template_of(package))


@pytest.fixture(scope="session")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a real Kafka with all topics, for all tests of the run."""
    directory = tmp_path_factory.mktemp("kafka")
    with engines.kafka(directory, log=directory / "kafka.log") as server:
        await provision(server.bootstrap_servers, replication=1)
        yield server.bootstrap_servers
