"""An upgrade waits for what is under way, and neither breaks the other off (R61)."""

import asyncio
from collections.abc import Callable

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from kit.database import _configuration
from tests.partner_gateway.waiting import until

WAITING = text(
    """
    SELECT count(*) > 0 FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
)


@pytest.mark.parametrize(("start", "end"), [("0010", "0011"), ("0011", "0010")])
@pytest.mark.parametrize(
    ("read", "change"),
    [
        ("SELECT FROM cases", "UPDATE notices SET comment = 'told'"),
        ("SELECT FROM partners", "UPDATE partners SET name = 'Inkasso'"),
    ],
)
async def test_who_has_read_may_still_write(
    bare_database_url: str, start: str, end: str, read: str, change: str
) -> None:
    engine = create_async_engine(bare_database_url)

    async def migrate(go: Callable[..., None], revision: str) -> None:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate, go, revision)

    async def is_waiting() -> bool:
        async with engine.connect() as connection:
            return bool(await connection.scalar(WAITING))

    await migrate(command.upgrade, start)
    async with engine.begin() as under_way:
        await under_way.execute(text(read))
        go = command.upgrade if start < end else command.downgrade
        migration = asyncio.create_task(migrate(go, end))
        await until(is_waiting)
        await under_way.execute(text(change))
    await migration
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == end
    await engine.dispose()


def _migrate(connection: Connection, go: Callable[..., None], revision: str) -> None:
    configuration = _configuration("partner_gateway.migrations")
    configuration.attributes["connection"] = connection
    go(configuration, revision)
