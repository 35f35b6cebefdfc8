"""A worker works again and again, and is told from one that hangs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from kit import health
from kit.context import Context
from kit.database import Database
from kit.settings import ServiceSettings
from kit.workers import RunningWorker, Worker

NEVER = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
"""A database that nothing here asks."""


@asynccontextmanager
async def running(
    work: Callable[[Context[Any]], Awaitable[bool]], interval: float
) -> AsyncIterator[RunningWorker]:
    """Run a worker for as long as the block lasts."""
    settings = ServiceSettings.model_construct()
    worker = RunningWorker(Worker("a worker", work, interval), Context(settings, Database(NEVER)))
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_worker_that_waits_for_its_next_round_is_not_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some rounds are an hour apart: longer than a round may take."""
    monkeypatch.setattr(health, "STILL", 0.05)
    worked = asyncio.Event()

    async def work(_: Context[Any]) -> bool:
        worked.set()
        return False

    async with running(work, interval=3600) as worker:
        await worked.wait()
        await asyncio.sleep(0.1)
        assert not worker.is_stuck


async def test_a_worker_whose_round_does_not_end_is_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "STILL", 0.05)

    async def work(_: Context[Any]) -> bool:
        await asyncio.Event().wait()
        return False

    async with running(work, interval=1) as worker:
        assert not worker.is_stuck
        async with asyncio.timeout(60):
            while not worker.is_stuck:
                await asyncio.sleep(0.01)


async def test_a_worker_that_is_woken_while_it_is_stopped_stops() -> None:
    rounds = 0

    async def work(_: Context[Any]) -> bool:
        nonlocal rounds
        rounds += 1
        return False

    settings = ServiceSettings.model_construct()
    context = Context(settings, Database(NEVER))
    task = asyncio.create_task(RunningWorker(Worker("a worker", work, 3600), context).run())
    while rounds == 0:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    context.wake("a worker")
    task.cancel()
    ended, _ = await asyncio.wait([task], timeout=5)
    task.cancel()
    assert ended == {task}
    assert rounds == 1


async def test_a_worker_gives_back_what_is_under_way_when_it_is_stopped() -> None:
    done: list[str] = []
    begun = asyncio.Event()

    async def work(_: Context[Any]) -> bool:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            done.append("worked")
        return False

    async def stop(_: Context[Any]) -> None:
        await asyncio.sleep(0)
        done.append("stopped")

    context = Context(ServiceSettings.model_construct(), Database(NEVER))
    task = asyncio.create_task(RunningWorker(Worker("a worker", work, 1.0, stop), context).run())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert done == ["worked", "stopped"]
