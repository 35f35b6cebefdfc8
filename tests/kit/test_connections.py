"""Connections that are kept: which one is used next, and what happens to one that was lost."""

import asyncio
import os
import signal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kit.database import Database

MY_PID = text("SELECT pg_backend_pid()")


async def test_a_connection_that_ends_while_nobody_uses_it_is_replaced(database: Database) -> None:
    async with database.connect() as other:
        async with database.connect() as connection:
            pid = await connection.scalar(MY_PID)
            raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        async with asyncio.timeout(30):
            while not raw.is_closed():
                await asyncio.sleep(0.01)
        async with database.begin() as connection:
            assert await connection.scalar(MY_PID) != pid


async def test_a_connection_that_does_not_answer_after_a_pause_is_replaced(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a proxy that forgot it, of which one hears nothing."""
    async with database.connect() as connection:
        pid = await connection.scalar(MY_PID)
    monkeypatch.setattr("kit.database._MAY_BE_CUT_OFF_AFTER", 0)
    os.kill(pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(30), database.begin() as connection:
            assert await connection.scalar(MY_PID) != pid
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_connection_that_was_used_just_now_is_used_again_unasked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.connect(), database.connect():
        await database.ping()
    monkeypatch.delattr("kit.database._answer_soon")
    pids = []
    for _ in range(5):
        async with database.begin() as connection:
            pids.append(await connection.scalar(MY_PID))
    assert len(set(pids)) == 1


async def test_plans_are_made_anew_for_tables_that_have_grown(database: Database) -> None:
    await _plan_for_few_things(database)
    assert await _rows_read_by_look_up(database) == 100_000
    database.plan_anew()
    assert await _rows_read_by_look_up(database) == 0


async def test_plans_are_made_anew_when_a_statement_took_too_long(database: Database) -> None:
    """Whoever tries again would else wait as long again."""
    await _plan_for_few_things(database)
    with pytest.raises(DBAPIError):
        async with database.begin() as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 1"))
            await connection.execute(text("SELECT pg_sleep(60)"))
    assert await _rows_read_by_look_up(database) == 0


async def test_a_machine_that_is_gone_is_missed_soon(database: Database) -> None:
    """PostgreSQL asks after it: else it may keep its locks for hours."""
    read = text("SELECT setting FROM pg_settings WHERE name LIKE 'tcp%' ORDER BY name")
    async with database.connect() as connection:
        count, idle, interval, unanswered = map(int, await connection.scalars(read))
    assert 0 < idle + count * interval <= 120
    assert 0 < unanswered <= 120_000


LOOK_UP = text(
    """
    SELECT count(*) FROM unnest(CAST(:ids AS integer[])) AS wanted (id),
        LATERAL (SELECT FROM things WHERE things.id = wanted.id OFFSET 0) AS known
    """
)
GROW = text("INSERT INTO things SELECT generate_series(CAST(:first AS integer), :last)")
ROWS_READ = text("SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'things'")
IDS = {"ids": list(range(1, 11))}


async def _plan_for_few_things(database: Database) -> None:
    """Have a connection keep a plan for a table of 10 rows that has 10,000 then."""
    async with database.begin() as connection:
        await connection.execute(text("CREATE TABLE things (id integer PRIMARY KEY)"))
        await connection.execute(GROW, {"first": 1, "last": 10})
        await connection.execute(text("ANALYZE things"))
    async with database.begin() as connection:
        for _ in range(10):  # the plan of what was executed five times is kept
            await connection.execute(LOOK_UP, IDS)
        await connection.execute(GROW, {"first": 11, "last": 10_000})


async def _rows_read_by_look_up(database: Database) -> int:
    """Return how many rows are read otherwise than by their ids when ten are looked up."""
    async with database.begin() as connection:
        before = await connection.scalar(ROWS_READ)
        assert await connection.scalar(LOOK_UP, IDS) == 10
        return int(await connection.scalar(ROWS_READ) - before)
