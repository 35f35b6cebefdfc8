"""Migrated databases that the tests of a process use one after the other."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import count

import asyncpg
from sqlalchemy import text

from kit.database import Database, upgrade
from local_stack.postgres import PostgresServer

ROLE = "tests"
MOST_BYTES = 8_000_000
"""What the tables and indexes of a database may take that is used again."""
KEPT = "kept by the tests"
"""What the connections are called that stay open from one test to the next."""

_numbers = count(1)

_END_SESSIONS = f"""
SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND NOT (application_name = '{KEPT}' AND state = 'idle')
"""
_RESTART_SEQUENCES = "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"
_BYTES = """
SELECT sum(pg_table_size(oid) + pg_indexes_size(oid)) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
# Whatever changes how a database is made adds, removes or replaces a row of one of these.
_CATALOGUES = (
    *("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_trigger", "pg_proc"),
    # The first temporary table of a connection makes a schema for it, which stays, empty.
    "pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'",
)
_STRUCTURE = "SELECT " + " || ' ' || ".join(
    f"(SELECT count(*) || '/' || max(xmin::text::bigint) FROM {each})" for each in _CATALOGUES
)


class MigratedDatabases:
    """Databases of one package of migrations, all of one role, each for one test at a time.

    To make one and to drop it takes ten times as long as to empty one. So one that was used is
    emptied for the next test: its rows go, its sequences begin again. What a test did more than
    write rows to, or very many of them, is dropped. A connection that is new to a database takes
    a fifth of what a test takes: those that do nothing any more stay open.
    """

    def __init__(self, postgres: PostgresServer, package: str) -> None:
        """Migrate the database that all others are copies of."""
        self._postgres = postgres
        self._template = package.replace(".", "_")
        postgres.create_database(self._template, role=ROLE)
        with ThreadPoolExecutor(1) as thread:  # it runs a loop of its own
            thread.submit(upgrade, url_of(postgres, self._template), package).result()
        self._free: list[str] = []
        self._as_made = ""

    @asynccontextmanager
    async def one(self) -> AsyncIterator[str]:
        """An empty one, for the block alone: its address, as the services' settings take it."""
        name = self._free.pop() if self._free else await self._make()
        yield url_of(self._postgres, name)
        if await self._empty(name):
            self._free.append(name)
        else:
            await drop(self._postgres, name)

    async def _make(self) -> str:
        name = new_name()
        self._postgres.create_database(name, role=ROLE, template=self._template)
        if not self._as_made:
            connection = await asyncpg.connect(self._postgres.superuser_url, database=name)
            self._as_made = await self._state(connection)
            await connection.close()
        return name

    async def _empty(self, name: str) -> bool:
        """Take out what a test wrote; tell whether the database is as it was made then."""
        connection = await asyncpg.connect(self._postgres.superuser_url, database=name)
        await connection.execute(_END_SESSIONS)
        tables = [row["tablename"] for row in await connection.fetch(_TABLES)]
        deletions = [f'DELETE FROM "{each}"' for each in tables if each != "alembic_version"]
        await connection.execute("SET session_replication_role = replica")  # no triggers, no keys
        await connection.execute(";".join([*deletions, _RESTART_SEQUENCES]))
        is_as_made = (
            await self._state(connection) == self._as_made
            and await connection.fetchval(_BYTES) <= MOST_BYTES
        )
        # Counted when the session has ended, what it read would be the next test's.
        await connection.execute("SELECT pg_stat_force_next_flush()")
        await connection.close()
        return is_as_made

    async def _state(self, connection: asyncpg.Connection) -> str:
        """Return what is different whenever something else than rows was changed."""
        version = await connection.fetchval("SELECT array_agg(version_num) FROM alembic_version")
        return f"{await connection.fetchval(_STRUCTURE)} {version}"


def new_name() -> str:
    """Return a name that no database of this process has."""
    return f"test_{next(_numbers)}"


def url_of(postgres: PostgresServer, name: str) -> str:
    """Return the address of a database, as the services' settings take it."""
    return postgres.url(name).replace("postgresql://", "postgresql+asyncpg://")


async def count_rows(url: str) -> None:
    """Have PostgreSQL count a database, without the room that rows of other tests have left."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute("VACUUM (FULL, ANALYZE)")
    await connection.close()


async def rows_read(database: Database, table: str | None = None) -> int:
    """Return how many rows of a table, or of all, the one connection that is in use has read."""
    async with database.begin() as connection:
        await connection.execute(text("SELECT pg_stat_force_next_flush()"))
    read = text(
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables"
        " WHERE relname = coalesce(:table, relname)"
    )
    async with database.connect() as connection:
        return int(await connection.scalar(read, {"table": table}) or 0)


async def drop(postgres: PostgresServer, name: str) -> None:
    """Drop a database, whoever is connected to it."""
    superuser = await asyncpg.connect(postgres.superuser_url)
    await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await superuser.close()
