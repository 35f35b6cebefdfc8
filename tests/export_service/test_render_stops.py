"""What becomes of exports when the worker is stopped or its database goes away (R41)."""

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from export_service.exports import export_file, render_export, store
from export_service.exports.export import LEASE, MAX_ATTEMPTS
from export_service.exports.export_file import ExportFile
from export_service.exports.render_export import ExportRenderer, _Thread
from export_service.members.wanted import WantedMembers
from kit import outbox
from kit.clock import now
from kit.database import is_temporary
from kit.ids import new_id
from kit.workers import RunningWorker, Worker
from tests.export_service.conftest import render_all
from tests.export_service.ordering import (
    AS_XLSX,
    ServiceContext,
    change,
    export,
    file_of,
    folder,
    order,
    ordered_run,
    published,
)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows at a time, which go to the storage at once."""
    monkeypatch.setattr(render_export, "STORED_ROWS_PER_BATCH", 2)
    monkeypatch.setattr(export_file, "PART_BYTES", 100)


async def test_a_file_is_closed_only_once_nobody_writes_to_it(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is stopped in the middle of a batch leaves no file."""
    await ordered_run(context, members=5)
    write, close, do = ExportFile.write, ExportFile.close, _Thread.do
    begun, go_on, done = threading.Event(), threading.Event(), list[str]()
    asked_to_close = asyncio.Event()

    def write_when_told(file: ExportFile, data: bytes, /) -> None:
        begun.set()
        assert go_on.wait(60)
        write(file, data)
        done.append("written")

    def note_and_close(file: ExportFile) -> None:
        close(file)
        done.append("closed")

    monkeypatch.setattr(ExportFile, "write", write_when_told)

    async def tell_and_do(thread: _Thread, function: Any, *arguments: Any) -> Any:
        if getattr(function, "__func__", None) is note_and_close:
            asked_to_close.set()
        return await do(thread, function, *arguments)

    monkeypatch.setattr(ExportFile, "close", note_and_close)
    monkeypatch.setattr(_Thread, "do", tell_and_do)
    turn = asyncio.create_task(ExportRenderer().turn(context))
    assert await asyncio.to_thread(begun.wait, 60)
    turn.cancel()
    async with asyncio.timeout(20):
        await asked_to_close.wait()
    assert done == []
    go_on.set()
    with suppress(asyncio.CancelledError):
        await turn
    assert done == ["written", "closed"]
    assert list(folder(context).iterdir()) == []


async def test_exports_that_are_under_way_at_a_stop_leave_nothing_and_begin_again(
    context: ServiceContext,
) -> None:
    ordered = [await ordered_run(context, members=200) for _ in range(2)]
    renderer = ExportRenderer()
    running = RunningWorker(Worker("render", renderer.turn, 1.0, renderer.stop), context)
    task = asyncio.create_task(running.run())
    async with asyncio.timeout(20):
        while min([(await export(context, each)).rows_done for each in ordered]) < 2:
            await asyncio.sleep(0.005)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert list(folder(context).iterdir()) == []
    for export_id in ordered:
        given_back = await export(context, export_id)
        assert (given_back.status, given_back.rows_done) == ("WAITING", 0)
        await change(context, export_id, attempt=MAX_ATTEMPTS)
    await render_all(context)
    for export_id in ordered:
        assert (await export(context, export_id)).status == "COMPLETED", "no stop counts as a crash"


async def test_a_lease_holds_for_as_long_as_its_worker_works(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the storage takes for the end of a large file."""
    export_id = await ordered_run(context, members=5)
    keep, renderer, loop = ExportFile.keep, ExportRenderer(), asyncio.get_running_loop()

    async def look_at_the_lease() -> None:
        await change(context, export_id, leased_until=now() + LEASE / 4)
        await renderer.keep_leases(context)
        assert (await export(context, export_id)).leased_until > now() + LEASE / 2

    def keep_for_long(file: ExportFile) -> None:
        asyncio.run_coroutine_threadsafe(look_at_the_lease(), loop).result(60)
        keep(file)

    monkeypatch.setattr(ExportFile, "keep", keep_for_long)
    while await renderer.turn(context):
        pass
    done = await export(context, export_id)
    assert (done.status, done.attempt) == ("COMPLETED", 1)
    await renderer.keep_leases(context)
    assert (await export(context, export_id)).leased_until is None


async def test_a_database_that_goes_away_costs_one_attempt(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others that are under way go on."""
    other, struck = [await ordered_run(context, members=5) for _ in range(2)]
    renderer = ExportRenderer()
    await renderer.turn(context)
    await renderer.turn(context)
    with monkeypatch.context() as patch:
        _lose_connection_after(patch, store, "report_progress")
        with pytest.raises(DBAPIError) as lost:
            await renderer.turn(context)
    assert is_temporary(lost.value)
    while await renderer.turn(context):
        pass
    assert (await export(context, other)).status == "COMPLETED"
    assert (await export(context, struck)).status == "RUNNING"
    assert list(folder(context).iterdir()) == [file_of(context, other)]

    await change(context, struck, leased_until=now() - LEASE)
    await render_all(context)
    done = await export(context, struck)
    assert (done.status, done.attempt) == ("COMPLETED", 2)


async def test_an_export_whose_end_could_not_be_saved_is_made_again_and_told_once(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R60: its file was whole, yet nobody knew."""
    export_id = await ordered_run(context, members=2, layout=AS_XLSX)
    with monkeypatch.context() as patch:
        _lose_connection_after(patch, outbox, "publish")
        with pytest.raises(DBAPIError) as lost:
            await render_all(context)
    assert is_temporary(lost.value)
    assert (await export(context, export_id)).status == "RUNNING"
    assert [path.name for path in folder(context).iterdir()] == [f"{export_id}.1.xlsx"]

    await change(context, export_id, leased_until=now() - LEASE)
    await render_all(context)
    assert (await export(context, export_id)).status == "COMPLETED"
    assert [path.name for path in folder(context).iterdir()] == [f"{export_id}.2.xlsx"]
    assert len(await published(context)) == 1


async def test_a_small_export_is_done_while_a_large_one_is_under_way(
    context: ServiceContext,
) -> None:
    """R41: it does not wait until the large one has ended."""
    large = await ordered_run(context, members=40)
    renderer = ExportRenderer()
    await renderer.turn(context)
    small = await ordered_run(context, members=1)
    while (await export(context, small)).status != "COMPLETED":
        assert await renderer.turn(context)
    seen = await export(context, large)
    assert seen.status == "RUNNING"
    assert seen.rows_done < 20
    while await renderer.turn(context):
        pass
    assert (await export(context, large)).status == "COMPLETED"


async def test_who_orders_many_exports_holds_up_no_other_tenant(context: ServiceContext) -> None:
    ours = [await ordered_run(context, members=20) for _ in range(2)]
    of_other = await order(context, WantedMembers())
    await change(context, of_other, tenant_id=new_id())
    renderer = ExportRenderer()
    for _ in range(2):
        await renderer.turn(context)
    statuses = [(await export(context, each)).status for each in (*ours, of_other)]
    assert statuses == ["RUNNING", "WAITING", "RUNNING"]


async def test_a_place_is_kept_for_small_exports(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R41: however many large ones there are, among which overviews count."""
    monkeypatch.setattr(render_export, "_LOOK_EVERY", 0.0)
    monkeypatch.setattr(render_export, "SMALL", 3)
    large = [await ordered_run(context, members=20) for _ in range(3)]
    overview = await order(context, WantedMembers())
    renderer = ExportRenderer()
    for _ in range(3):
        await renderer.turn(context)
    small = await ordered_run(context, members=3)
    while (await export(context, small)).status != "COMPLETED":
        assert await renderer.turn(context)
    statuses = [(await export(context, each)).status for each in (*large, overview)]
    assert statuses == ["RUNNING", "RUNNING", "WAITING", "WAITING"]

    monkeypatch.setattr(render_export, "SMALL", 20)
    await renderer.turn(context)
    statuses = [(await export(context, each)).status for each in (*large, overview)]
    assert statuses == ["RUNNING", "RUNNING", "RUNNING", "WAITING"]
    while await renderer.turn(context):
        pass
    assert (await export(context, overview)).rows_done == 63


def _lose_connection_after(patch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """Lets PostgreSQL end the connection on which a function has worked."""
    work = getattr(module, name)

    async def work_and_lose(connection: Any, *arguments: Any) -> Any:
        result = await work(connection, *arguments)
        await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return result

    patch.setattr(module, name, work_and_lose)
