"""What becomes of exports when the worker is stopped or its database goes away (R41)."""

import asyncio
import gc
import threading
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from export_service.exports import export_file, render_export, store
from export_service.exports.export import LEASE
from export_service.exports.export_file import ExportFile
from export_service.exports.render_export import ExportRenderer
from export_service.members.wanted import WantedMembers
from kit import outbox
from kit.clock import now
from kit.database import is_temporary
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
    monkeypatch.setattr(render_export, "ROWS_PER_BATCH", 2)
    monkeypatch.setattr(export_file, "PART_BYTES", 100)


async def test_a_file_is_closed_only_once_nobody_writes_to_it(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is stopped in the middle of a batch leaves no file."""
    await ordered_run(context, members=5)
    write, close = ExportFile.write, ExportFile.close
    begun, go_on, done = threading.Event(), threading.Event(), list[str]()

    def write_when_told(file: ExportFile, data: bytes, /) -> None:
        begun.set()
        assert go_on.wait(60)
        write(file, data)
        done.append("written")

    def note_and_close(file: ExportFile) -> None:
        close(file)
        done.append("closed")

    monkeypatch.setattr(ExportFile, "write", write_when_told)
    monkeypatch.setattr(ExportFile, "close", note_and_close)
    turn = asyncio.create_task(ExportRenderer().turn(context))
    assert await asyncio.to_thread(begun.wait, 60)
    turn.cancel()
    await asyncio.sleep(0.05)
    assert done == []
    go_on.set()
    with suppress(asyncio.CancelledError):
        await turn
    assert done == ["written", "closed"]
    assert list(folder(context).iterdir()) == []


async def test_exports_that_are_under_way_at_a_stop_leave_nothing_and_begin_again(
    context: ServiceContext,
) -> None:
    ordered = [await ordered_run(context, members=5) for _ in range(2)]
    renderer = ExportRenderer()
    for _ in range(3):
        await renderer.turn(context)
    assert len(list(folder(context).iterdir())) == 2
    del renderer
    gc.collect()  # as the event loop does at its end
    async with asyncio.timeout(20):
        while list(folder(context).iterdir()):
            await asyncio.sleep(0.01)
    for export_id in ordered:
        assert (await export(context, export_id)).status == "RUNNING"
        await change(context, export_id, leased_until=now() - LEASE)
    await render_all(context)
    for export_id in ordered:
        assert (await export(context, export_id)).status == "COMPLETED"


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


async def test_a_place_is_kept_for_small_exports(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R41: however many large ones there are, among which overviews count."""
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
