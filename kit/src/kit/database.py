"""The service's PostgreSQL: one engine, transactions, migrations."""

import asyncio
import importlib.resources
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, Final

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from kit.service_role import ServiceRole, give_rights

POOL_SIZE: Final = 10
"""Connections of one process; there are no more, so that the sum over all replicas is known."""

_STATEMENT_SECONDS: Final = 60
MISSED_SOON: Final = {
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
    "tcp_user_timeout": "120s",
}
"""For each session: when a machine is gone without a word PostgreSQL ends its sessions after two
minutes. Else it hears of that after hours; until then rows stay locked if a `COPY`, or the parsing
of a statement, was under way, for then none of its other limits counts."""
_SESSION: Final = {
    "timezone": "UTC",
    "statement_timeout": f"{_STATEMENT_SECONDS}s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",  # statements are short and many: compiling them costs more than it saves
}
_CONNECT_SECONDS: Final = 10
_PING_SECONDS: Final = 2
_MAY_BE_CUT_OFF_AFTER: Final = 5.0
"""Seconds without use, far below what firewalls and proxies allow."""
_USED_AT: Final = "used_at"
_PLANNING: Final = "planning"

_MIGRATIONS_LOCK: Final = 0x6D69677261746500  # "migrate", as a number of 64 bits
_MIGRATIONS_LOCK_PAUSE: Final = 0.1

_TOOK_TOO_LONG: Final = "57014"
"""The SQLSTATE of a statement that PostgreSQL cancelled for the time that it took."""
_TEMPORARY_SQLSTATES: Final = frozenset(
    {
        "25P03",  # idle in transaction for too long
        "40001",  # serialization failure
        "40P01",  # deadlock
        "55P03",  # lock not available in time
        _TOOK_TOO_LONG,
    }
)
_TEMPORARY_CLASSES: Final = ("08", "28", "53", "57P", "58")
"""Connection, role or password, resources, shutdown, system."""
_CONNECTION_LOST: Final = "8s2b"
"""SQLAlchemy's code for a transaction that goes on after its connection was lost."""
_WRONG_PATHS: Final = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)


class Database:
    """A pool of connections to the service's own database."""

    def __init__(self, url: str, application_name: str = "collection") -> None:
        """Prepare the pool; connects when first used. `url` starts with `postgresql+asyncpg://`."""
        self._engine: Final = _engine(
            url,
            {**_SESSION, "application_name": application_name},
            command_timeout=_STATEMENT_SECONDS + 5,  # the server's limit speaks first
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_timeout=_CONNECT_SECONDS,
            pool_use_lifo=True,  # a few are always in use: they know the statements, the rest waits
        )
        event.listen(self._engine.sync_engine, "checkin", _note_use)
        event.listen(self._engine.sync_engine, "checkout", _check_that_it_answers)
        event.listen(self._engine.sync_engine, "checkout", self._forget_old_plans)
        self._planning = 0
        """How often statements have been planned anew."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open one transaction: commits at the end of the block, rolls back on any exception.

        A statement that took too long may have been planned for smaller tables: whoever tries again
        has it planned anew.
        """
        try:
            async with self._engine.begin() as connection:
                yield connection
        except Exception as error:
            if sqlstate(error) == _TOOK_TOO_LONG:
                self.plan_anew()
            raise

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection for reads: of one moment; it refuses to write, and locks no row."""
        async with self._engine.connect() as connection:
            await connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            yield connection

    def plan_anew(self) -> None:
        """Have each transaction from now on plan its statements for the tables as they are then.

        PostgreSQL keeps the plan of a statement that a connection knows until it next counts the
        table, which may be a minute. One that was made for a few rows reads all of them for each id
        that it looks up: 1,000 ids in 20,000 rows took 4 to 30 s.
        """
        self._planning += 1

    def _forget_old_plans(self, connection: Any, entry: ConnectionPoolEntry, _: Any) -> None:
        if entry.info.setdefault(_PLANNING, self._planning) == self._planning:
            return
        try:
            connection.run_async(_forget_plans)
        except Exception as error:
            raise InvalidatePoolError from error
        entry.info[_PLANNING] = self._planning

    async def ping(self) -> None:
        """Ask the database for an answer; raises when there is none within two seconds."""
        async with asyncio.timeout(_PING_SECONDS), self.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


def _note_use(_: Any, entry: ConnectionPoolEntry) -> None:
    entry.info[_USED_AT] = monotonic()


async def _forget_plans(connection: Any) -> None:
    await connection.execute("DISCARD PLANS", timeout=_PING_SECONDS)


async def _answer_soon(connection: Any) -> None:
    await connection.execute("SELECT", timeout=_PING_SECONDS)


def _check_that_it_answers(connection: Any, entry: ConnectionPoolEntry, _: Any) -> None:
    """Let a connection be replaced that was lost, or cut off while nobody used it for a while.

    Of what ends otherwise asyncpg hears at once. To ask before each transaction would take as long
    as many a transaction itself. When one does not answer, the pool replaces all that are as old.
    """
    time = monotonic()
    unused = time - entry.info.get(_USED_AT, time)  # a new one was made just now
    if unused < _MAY_BE_CUT_OFF_AFTER and not connection.driver_connection.is_closed():
        return
    try:
        connection.run_async(_answer_soon)
    except Exception as error:
        raise InvalidatePoolError from error


async def copy_rows(
    connection: AsyncConnection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]] | AsyncIterable[Sequence[Any]],
) -> None:
    """Add rows to a table by COPY, which takes half of what an INSERT of many rows does.

    Raises what asyncpg raises: for a broken rule `asyncpg.PostgresError`, which `sqlstate` knows.
    SQLAlchemy begins a transaction with its first statement, so there must have been one.
    """
    raw = (await connection.get_raw_connection()).driver_connection
    assert isinstance(raw, asyncpg.Connection)
    assert raw.is_in_transaction(), "rows would be there before the transaction is committed"
    try:
        async with _until_lost(raw):
            await raw.copy_records_to_table(table, columns=columns, records=rows)
    except (asyncpg.InterfaceError, TimeoutError) as error:
        if raw.is_closed():
            raise ConnectionResetError("the connection to the database was lost") from error
        raise


@asynccontextmanager
async def _until_lost(connection: "asyncpg.Connection[Any]") -> AsyncIterator[None]:
    """Raise `TimeoutError` inside when the connection ends.

    asyncpg does not wake who waits for room to write on a connection that is lost meanwhile.
    """
    async with asyncio.timeout(None) as limit:

        def end(_: object) -> None:
            with suppress(RuntimeError):  # what was done inside has ended by itself
                limit.reschedule(0)

        connection.add_termination_listener(end)
        try:
            yield
        finally:
            connection.remove_termination_listener(end)


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE that PostgreSQL gave with `error`, or None if it was not PostgreSQL."""
    source = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(source, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_temporary(error: BaseException) -> bool:
    """Say whether the same work may succeed later: the database is away, busy or chose a victim.

    So is what the operating system refuses for now: a connection, memory, room on a disk. False
    for what the work itself broke: a constraint, a type, a rule, a path.
    """
    if isinstance(error, OSError | PoolTimeout):  # TimeoutError is an OSError
        return not isinstance(error, _WRONG_PATHS)
    if isinstance(error, PendingRollbackError):
        return error.code == _CONNECTION_LOST
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    state = sqlstate(error)
    return state is not None and (
        state in _TEMPORARY_SQLSTATES or state.startswith(_TEMPORARY_CLASSES)
    )


def upgrade(url: str, migrations_package: str, service_role: ServiceRole | None = None) -> None:
    """Bring the database to the newest version in `migrations_package`'s folder `versions`.

    `url` is that of the role that owns the tables. If the service works under another one,
    `service_role`, that gets its rights in all of them anew.

    Safe when several processes start at once: one migrates, the others wait and find it done.
    Starts an event loop of its own; from a running one call it by `asyncio.to_thread`.
    """
    asyncio.run(_upgrade(url, migrations_package, service_role))


async def pending(database: Database, migrations_package: str) -> bool:
    """Say whether a migration of this release is still to be run.

    A database that a newer release has migrated already is not pending: while releases are
    rolled out, the older one goes on.
    """
    script = ScriptDirectory.from_config(_configuration(migrations_package))
    async with database.connect() as connection:
        applied = await connection.run_sync(_applied_revisions)
    known = {revision.revision for revision in script.walk_revisions()}
    return applied <= known and applied != set(script.get_heads())


async def _upgrade(url: str, migrations_package: str, service_role: ServiceRole | None) -> None:
    # No limits but the one on locks: a change to a table may take long, yet must not make all the
    # service's statements queue up behind it.
    session = {"timezone": "UTC", "lock_timeout": "10s", "application_name": "migrate"}
    engine = _engine(url, session, poolclass=NullPool)
    try:
        async with _migrations_lock(engine):
            async with engine.connect() as connection:
                await connection.run_sync(_run_migrations, migrations_package)
            if service_role is not None:
                async with engine.begin() as connection:
                    await give_rights(connection, service_role)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _migrations_lock(engine: AsyncEngine) -> AsyncIterator[None]:
    """Hold the session advisory lock under which migrations run.

    It is asked for again and again, not waited for: a waiting statement holds a snapshot, and a
    `CREATE INDEX CONCURRENTLY` in the migration would wait for that in turn.
    """
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        take = text("SELECT pg_try_advisory_lock(:lock)")
        while True:
            if await connection.scalar(take, {"lock": _MIGRATIONS_LOCK}):
                break
            await asyncio.sleep(_MIGRATIONS_LOCK_PAUSE)
        yield  # closing the connection gives the lock back, as does a crash


def _run_migrations(connection: Connection, migrations_package: str) -> None:
    configuration = _configuration(migrations_package)
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")


def _applied_revisions(connection: Connection) -> set[str]:
    return set(MigrationContext.configure(connection).get_current_heads())


def _configuration(migrations_package: str) -> Config:
    configuration = Config()
    _set_path(configuration, "script_location", "kit.migrations")
    configuration.set_main_option("path_separator", "newline")  # a path may hold any other sign
    _set_path(configuration, "version_locations", migrations_package, "versions")
    return configuration


def _set_path(configuration: Config, option: str, package: str, *parts: str) -> None:
    path = str(importlib.resources.files(package).joinpath(*parts))
    configuration.set_main_option(option, path.replace("%", "%%"))


def _engine(url: str, session: dict[str, str], **options: Any) -> AsyncEngine:
    arguments: dict[str, Any] = {
        "server_settings": session | MISSED_SOON,
        "timeout": _CONNECT_SECONDS,
    }
    if (command_timeout := options.pop("command_timeout", None)) is not None:
        arguments["command_timeout"] = command_timeout
    return create_async_engine(
        url,
        connect_args=arguments,
        hide_parameters=True,  # parameters hold names and bank accounts
        **options,
    )
