"""An upgrade makes room for answers while answers come in (R61)."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kit.database import _configuration

ANSWER = text("UPDATE run_members SET case_status = 'OPEN'")
WAITING = text(
    """
    SELECT count(*) > 0 FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
)
INDEX = text(
    "SELECT indisvalid FROM pg_index WHERE indexrelid = 'run_members_reason_code'::regclass"
)


@pytest.fixture
async def engine(bare_database_url: str) -> AsyncIterator[AsyncEngine]:
    """A database of the release before."""
    engine = create_async_engine(bare_database_url)
    await migrate(engine, command.upgrade, "0004")
    yield engine
    await engine.dispose()


async def migrate(engine: AsyncEngine, go: Callable[..., None], revision: str) -> None:
    """Go to a revision."""

    def run(connection: Connection) -> None:
        configuration = _configuration("run_service.migrations")
        configuration.attributes["connection"] = connection
        go(configuration, revision)

    async with engine.connect() as connection:
        await connection.run_sync(run)


async def until_it_waits(engine: AsyncEngine) -> None:
    """Wait until the migration waits for somebody."""
    async with asyncio.timeout(20), engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        while not await connection.scalar(WAITING):
            await asyncio.sleep(0.02)


async def test_answers_come_in_while_the_index_is_made_and_dropped(engine: AsyncEngine) -> None:
    for go, revision in ((command.upgrade, "0005"), (command.downgrade, "0004")):
        async with engine.begin() as under_way:
            await under_way.execute(ANSWER)
            migration = asyncio.create_task(migrate(engine, go, revision))
            await until_it_waits(engine)
            async with engine.begin() as other:
                await other.execute(text("SET LOCAL lock_timeout = '1s'"))
                await other.execute(ANSWER)
        await migration


async def test_an_index_that_was_broken_off_is_made_anew(engine: AsyncEngine) -> None:
    async with engine.begin() as under_way:
        await under_way.execute(ANSWER)
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("SET lock_timeout = '50ms'"))
            with pytest.raises(DBAPIError, match="lock timeout"):
                await connection.execute(
                    text(
                        """
                        CREATE INDEX CONCURRENTLY run_members_reason_code
                        ON run_members (tenant_id)
                        """
                    )
                )
            assert await connection.scalar(INDEX) is False
            await connection.invalidate()
    await migrate(engine, command.upgrade, "0005")
    async with engine.connect() as connection:
        assert await connection.scalar(INDEX) is True
