"""What all tests share: one real PostgreSQL, and a fresh database in it for each test."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import structlog
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from kit.database import Database
from kit.topics import provision
from local_stack import engines
from local_stack.postgres import PostgresServer
from tests.databases import KEPT, ROLE, MigratedDatabases, drop, new_name, url_of

ONE_STACK = ("tests/e2e/",)
ONE_KAFKA = ("tests/kit/", "tests/case_service/test_audit.py")
SHARED = (ONE_STACK, ONE_KAFKA)
LONGEST = (
    *ONE_STACK,
    *ONE_KAFKA,
    "tests/house/",
    "tests/local_stack/",
    "tests/case_service/test_model.py",
    "tests/run_service/test_model.py",
)
POISON = "tests/e2e/test_unusable_messages.py"
"""What it leaves in the topics an audit reports: it comes after all that share its stack."""


# On a busy machine any example may take longer than the fifth of a second that Hypothesis allows.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Hand what is logged to pytest; structlog's own way renders each exception for seconds."""
    structlog.configure(
        processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: if it came last, one process would be alone with it."""

    def place_of(item: pytest.Item) -> tuple[int, bool]:
        found = (place for place, names in enumerate(LONGEST) if item.nodeid.startswith(names))
        return next(found, len(LONGEST)), item.nodeid.startswith(POISON)

    items.sort(key=place_of)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let several processes share the tests: each takes a file, or all that shares much, at a time.

    Not with xdist's groups: its marks do not reach the ids that this pytest gives to tests.
    """
    config.option.loadscopereorder = False  # by the number of tests
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = scope_of
    return scheduler


def scope_of(test_id: str) -> str:
    """Return what is run by one process: all that shares a stack or a Kafka, else a file.

    Of a long proof, each part.
    """
    if "[seed-" in test_id:
        return test_id
    shared = next((names for names in SHARED if test_id.startswith(names)), None)
    return shared[0] if shared else test_id.partition("::")[0]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL 18 on a free port, for all tests of the run.

    It does not wait for the disk: tests end processes, never the machine, and what a process wrote
    the operating system keeps. Dropping a database takes 0.02 s so, and 0.7 s otherwise.
    """
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        server.configure("fsync", "off")
        server.configure("autovacuum", "off")
        yield server


@pytest.fixture
async def bare_database_url(postgres: PostgresServer) -> AsyncIterator[str]:
    """The address of a database without tables for this test alone."""
    name = new_name()
    postgres.create_database(name, role=ROLE)
    yield url_of(postgres, name)
    await drop(postgres, name)


@dataclass(frozen=True)
class TwoRoles:
    """The addresses of one database, as the services' settings take them."""

    owner_url: str
    """For the role that owns it, and migrates."""
    url: str
    """For the role `service`, under which a service works."""


@pytest.fixture
async def two_roles(postgres: PostgresServer) -> AsyncIterator[TwoRoles]:
    """A database without tables for this test alone, with two roles as in production."""
    name = new_name()
    postgres.create_database(name, role="service", owner="owner")
    owner_url = postgres.owner_url(name).replace("postgresql://", "postgresql+asyncpg://")
    yield TwoRoles(owner_url, url_of(postgres, name))
    await drop(postgres, name)


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> Callable[[str], AbstractAsyncContextManager[str]]:
    """Make empty databases that the migrations of a package made, for one test alone."""

    @cache
    def databases_of(package: str) -> MigratedDatabases:
        return MigratedDatabases(postgres, package)

    return lambda package: databases_of(package).one()


@pytest.fixture(scope="session")
async def pool_of(postgres: PostgresServer) -> AsyncIterator[Callable[[str], Database]]:
    """Return the pool of a database, which nobody closes before the last test has ended.

    One that is used again has its statements compiled already, here and in PostgreSQL.
    """
    pools: list[Database] = []

    @cache
    def pool_of(url: str) -> Database:
        with pytest.MonkeyPatch.context() as patch:
            # Of a hundred requests at once the last one waits for long on a busy machine.
            patch.setattr("kit.database._CONNECT_SECONDS", 120)
            pools.append(Database(url, application_name=KEPT))
        return pools[-1]

    yield pool_of
    for pool in pools:
        await pool.close()


@pytest.fixture(scope="session")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a real Kafka with all topics, for all tests of the run."""
    directory = tmp_path_factory.mktemp("kafka")
    with engines.kafka(directory, log=directory / "kafka.log") as server:
        await provision(server.bootstrap_servers, replication=1)
        yield server.bootstrap_servers
