"""Transactions, migrations and the plumbing's tables, on the real PostgreSQL."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError, PendingRollbackError

from kit import plumbing
from kit.database import Database, copy_rows, is_temporary, pending, sqlstate, upgrade
from tests.kit.conftest import PLUMBING_MIGRATION, Migrations

INSERT = text("INSERT INTO inbox (source, id) VALUES ('/tests', :id)")
COUNT = text("SELECT count(*) FROM inbox")

MY_PID = text("SELECT pg_backend_pid()")

COLUMNS = ("source", "id")

SLOW_MIGRATION = """
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE migrated (at timestamptz)")
    op.execute("SELECT pg_sleep(0.3)")
    op.execute("INSERT INTO migrated VALUES (now())")
"""

BROKEN_MIGRATION = """
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.execute("CREATE TABLE half_done (id int)")
    op.execute("SELECT 1 / 0")
"""

CONCURRENT_INDEX_MIGRATION = """
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY migrated_at ON migrated (at)")
"""


async def test_a_block_commits_at_its_end_and_rolls_back_on_an_exception(
    database: Database,
) -> None:
    async with database.begin() as connection:
        await connection.execute(INSERT, {"id": "kept"})
    with pytest.raises(ValueError, match="on purpose"):
        async with database.begin() as connection:
            await connection.execute(INSERT, {"id": "undone"})
            raise ValueError("on purpose")
    async with database.connect() as connection:
        assert await connection.scalar(COUNT) == 1


async def test_a_connection_for_reads_refuses_to_write(database: Database) -> None:
    async with database.connect() as connection:
        with pytest.raises(DBAPIError) as caught:
            await connection.execute(INSERT, {"id": "never"})
    assert sqlstate(caught.value) == "25006"
    async with database.begin() as connection:  # the same connection, back from the pool
        await connection.execute(INSERT, {"id": "again"})


async def test_all_that_is_read_on_one_connection_is_of_one_moment(database: Database) -> None:
    async with database.connect() as connection:
        assert await connection.scalar(COUNT) == 0
        async with database.begin() as other:
            await other.execute(INSERT, {"id": "meanwhile"})
        assert await connection.scalar(COUNT) == 0
    async with database.connect() as connection:
        assert await connection.scalar(COUNT) == 1


async def test_sessions_are_in_utc_and_have_limits(database: Database) -> None:
    async with database.connect() as connection:
        settings = {
            name: await connection.scalar(text(f"SHOW {name}"))
            for name in ("timezone", "statement_timeout", "lock_timeout", "jit")
        }
    assert settings == {
        "timezone": "UTC",
        "statement_timeout": "1min",
        "lock_timeout": "10s",
        "jit": "off",
    }


async def test_a_failed_statement_does_not_name_its_parameters(database: Database) -> None:
    """R63: a message that is printed by mistake holds no value."""
    async with database.begin() as connection:
        await connection.execute(INSERT, {"id": "Erika Mustermann"})
    with pytest.raises(IntegrityError) as caught:
        async with database.begin() as connection:
            await connection.execute(INSERT, {"id": "Erika Mustermann"})
    assert "hide_parameters" in str(caught.value)
    assert not is_temporary(caught.value)


async def test_a_database_that_is_away_is_temporary() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses every connection
        database = Database(f"postgresql+asyncpg://a:b@127.0.0.1:{taken.getsockname()[1]}/c")
        with pytest.raises(OSError, match="Connect call failed") as caught:
            await database.ping()
        await database.close()
    assert is_temporary(caught.value)


async def test_a_role_that_may_not_log_in_now_is_temporary(database_url: str) -> None:
    """Passwords are changed while services run: what comes meanwhile is not to blame."""
    refused = Database(make_url(database_url).set(password="another").render_as_string(False))
    with pytest.raises((DBAPIError, asyncpg.PostgresError)) as caught:
        await refused.ping()
    assert (sqlstate(caught.value) or "").startswith("28")
    assert is_temporary(caught.value)
    await refused.close()


async def test_a_connection_that_the_server_ends_is_temporary(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with database.begin() as connection:
            pid = await connection.scalar(MY_PID)
            async with database.begin() as other:
                await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            await connection.execute(text("SELECT 1"))
    assert is_temporary(caught.value)
    await database.ping()


async def test_a_lock_that_is_not_to_be_had_in_time_is_temporary(database: Database) -> None:
    async with database.begin() as holder:
        await holder.execute(text("LOCK TABLE inbox IN SHARE MODE"))
        with pytest.raises(DBAPIError) as caught:
            async with database.begin() as waiter:
                await waiter.execute(text("SET LOCAL lock_timeout = '50ms'"))
                await waiter.execute(INSERT, {"id": "waits"})
    assert is_temporary(caught.value)


async def test_what_the_work_itself_broke_is_not_temporary(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with database.begin() as connection:
            await connection.execute(text("SELECT 1 / 0"))
    assert sqlstate(caught.value) == "22012"
    assert not is_temporary(caught.value)
    assert not is_temporary(ValueError())
    assert not is_temporary(FileNotFoundError(2, "no such file"))
    assert is_temporary(OSError(28, "no space left"))


async def test_going_on_after_a_swallowed_error_is_not_temporary(database: Database) -> None:
    """It would be tried again for ever."""
    with pytest.raises(DBAPIError) as caught:
        async with database.begin() as connection:
            with suppress(DBAPIError):
                await connection.execute(text("SELECT 1 / 0"))
            await connection.execute(text("SELECT 1"))
    assert sqlstate(caught.value) == "25P02"
    assert not is_temporary(caught.value)


async def test_going_on_after_a_lost_connection_is_temporary(database: Database) -> None:
    with pytest.raises(PendingRollbackError) as caught:
        async with database.begin() as connection:
            with suppress(DBAPIError):
                await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
            await connection.execute(text("SELECT 1"))
    assert is_temporary(caught.value)


async def test_copied_rows_are_part_of_the_transaction(database: Database) -> None:
    rows = [("/tests", str(number)) for number in range(1_000)]
    with pytest.raises(ValueError, match="on purpose"):
        async with database.begin() as connection:
            await connection.execute(INSERT, {"id": "first"})
            await copy_rows(connection, "inbox", COLUMNS, rows)
            assert await connection.scalar(COUNT) == 1_001
            raise ValueError("on purpose")
    async with database.begin() as connection:
        assert await connection.scalar(COUNT) == 0
        await copy_rows(connection, "inbox", COLUMNS, rows)
    async with database.connect() as connection:
        assert await connection.scalar(COUNT) == 1_000


async def test_rows_are_not_copied_outside_of_a_transaction(database: Database) -> None:
    async with database.begin() as connection:
        with pytest.raises(AssertionError, match="before the transaction"):
            await copy_rows(connection, "inbox", COLUMNS, [("/tests", "early")])
    async with database.connect() as connection:
        assert await connection.scalar(COUNT) == 0


async def test_copied_rows_that_break_a_rule_are_not_temporary(database: Database) -> None:
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        async with database.begin() as connection:
            await connection.execute(INSERT, {"id": "twice"})
            await copy_rows(connection, "inbox", COLUMNS, [("/tests", "twice")])
    assert sqlstate(caught.value) == "23505"
    assert not is_temporary(caught.value)
    with pytest.raises(TypeError) as wrong_type:
        async with database.begin() as connection:
            await connection.execute(INSERT, {"id": "first"})
            await copy_rows(connection, "inbox", COLUMNS, [("/tests", 1)])
    assert not is_temporary(wrong_type.value)
    await database.ping()


async def test_a_connection_that_is_lost_while_rows_are_copied_is_temporary(
    database: Database,
) -> None:
    async def rows(pid: int) -> AsyncIterator[tuple[str, str]]:
        yield "/tests", "first"
        async with database.begin() as other:
            await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        for number in range(100_000):
            yield "/tests", str(number)

    with pytest.raises((DBAPIError, asyncpg.PostgresError, OSError)) as caught:
        async with database.begin() as connection:
            pid = await connection.scalar(MY_PID)
            await copy_rows(connection, "inbox", COLUMNS, rows(pid))
    assert is_temporary(caught.value)
    await database.ping()


async def test_a_connection_that_is_lost_while_there_is_no_room_to_write_is_heard_of(
    database: Database,
) -> None:
    """Nobody reads what is copied: its table may be read only."""
    yielded = 0

    async def rows() -> AsyncIterator[tuple[str, str]]:
        nonlocal yielded
        while True:
            yielded += 1
            yield "/tests", f"{yielded:01000}"

    async def copy(started: asyncio.Future[int]) -> None:
        async with database.begin() as connection:
            started.set_result(await connection.scalar(MY_PID))
            await copy_rows(connection, "inbox", COLUMNS, rows())

    async with database.begin() as other:
        await other.execute(text("LOCK TABLE inbox IN SHARE MODE"))
        started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        copying = asyncio.create_task(copy(started))
        pid, before = await started, 0
        while not yielded or yielded != before:
            before = yielded
            await asyncio.sleep(0.2)
        await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        ended, _ = await asyncio.wait([copying], timeout=20)
    copying.cancel()
    assert ended
    assert is_temporary(copying.exception() or AssertionError("it was copied"))


async def test_processes_that_start_at_once_migrate_once(
    bare_database_url: str, migrations: Migrations
) -> None:
    """R61: replicas of a service start together."""
    package = migrations.package(
        "slow_migrations", v0001=SLOW_MIGRATION, v0002=CONCURRENT_INDEX_MIGRATION
    )
    program = f"from kit.database import upgrade; upgrade({bare_database_url!r}, {package!r})"
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            env={**os.environ, "PYTHONPATH": str(migrations.folder)},
        )
        for _ in range(4)
    ]
    assert await asyncio.gather(*(process.wait() for process in started)) == [0, 0, 0, 0]
    database = Database(bare_database_url)
    async with database.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM migrated")) == 1
    await database.close()


async def test_a_migration_that_fails_leaves_nothing_and_gives_the_lock_back(
    bare_database_url: str, migrations: Migrations
) -> None:
    package = migrations.package(
        "broken_migrations", v0001=PLUMBING_MIGRATION, v0002=BROKEN_MIGRATION
    )
    for _ in range(2):
        with pytest.raises(DBAPIError, match="division by zero"):
            await asyncio.to_thread(upgrade, bare_database_url, package)
    database = Database(bare_database_url)
    async with database.connect() as connection:
        assert await connection.scalar(text("SELECT to_regclass('half_done')")) is None
        assert await connection.scalar(text("SELECT to_regclass('outbox')")) is not None
    await database.close()


async def test_migrations_are_pending_until_run_and_not_when_the_database_is_newer(
    bare_database_url: str, migrations: Migrations
) -> None:
    """R61: while a release is rolled out, the older one stays ready."""
    newer = SLOW_MIGRATION.replace('"0001"', '"0002"').replace("None", '"0001"')
    old = migrations.package("old_release", v0001=PLUMBING_MIGRATION)
    new = migrations.package("new_release", v0001=PLUMBING_MIGRATION, v0002=newer)
    database = Database(bare_database_url)
    assert await pending(database, old)
    await asyncio.to_thread(upgrade, bare_database_url, old)
    assert not await pending(database, old)
    assert await pending(database, new)
    await asyncio.to_thread(upgrade, bare_database_url, new)
    assert not await pending(database, new)
    assert not await pending(database, old)
    await database.close()


async def test_the_tables_are_those_that_the_first_migration_makes(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        migration = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return list(compare_metadata(migration, plumbing.plumbing))

    async with database.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_what_the_first_migration_made_can_be_dropped(database: Database) -> None:
    def drop(connection: Connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            plumbing.drop_v1()

    async with database.begin() as connection:
        await connection.run_sync(drop)
        left = await connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
        assert left.all() == ["alembic_version"]


async def test_the_outbox_rings_once_for_each_statement_when_it_is_committed(
    database: Database, database_url: str
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await listener.add_listener("outbox", lambda *heard_now: heard.put_nowait(heard_now[2]))
    async with database.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, time) "
                "SELECT uuidv7(), 'topic', 'key', 'type', ''::bytea, now() "
                "FROM generate_series(1, 3)"
            )
        )
        await listener.execute("SELECT 1")
        assert heard.empty()
    async with asyncio.timeout(60):
        assert await heard.get() == "outbox"
    await listener.execute("SELECT 1")
    assert heard.empty()
    await listener.close()
