"""Connections that are kept: which one is used next, and what happens to one that was lost."""

import asyncio
import os
import signal

import pytest
from sqlalchemy import text

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
