"""What goes wrong with an export, and that no file is ever wrong for it (R41)."""

import asyncio
import errno
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from export_service.exports import render_export
from export_service.exports.delete_expired_exports import delete_expired_exports
from export_service.exports.export import (
    LEASE,
    MAX_ATTEMPTS,
    Format,
    Layout,
    stored_name,
)
from export_service.exports.export_file import ExportFiles
from export_service.exports.measure_exports import measure_exports
from export_service.exports.render_export import ExportRenderer
from export_service.runs.store import handover_rows, runs
from export_service.settings import Settings
from kit.clock import now
from kit.metrics import registry
from tests.export_service.conftest import render_all
from tests.export_service.handed_over import run_of, studio
from tests.export_service.ordering import (
    AS_CSV,
    AS_XLSX,
    ServiceContext,
    announce,
    change,
    export,
    file_of,
    folder,
    hand_over,
    order,
    ordered_run,
    published,
    records,
)
from tests.export_service.storage import names_in

ALL_LAYOUTS = (AS_CSV, AS_XLSX, Layout(Format.XLSX, per_studio=True))


async def test_a_job_whose_worker_died_is_begun_again_by_another(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R41: once the dead one's lease is over, and what it left behind is gone."""
    monkeypatch.setattr(render_export, "STORED_ROWS_PER_BATCH", 2)
    export_id = await ordered_run(context, members=5)
    dead = ExportRenderer()
    await dead.turn(context)
    await dead.turn(context)
    seen = await export(context, export_id)
    assert (seen.status, seen.rows_done) == ("RUNNING", 2)
    await render_all(context)
    assert (await export(context, export_id)).status == "RUNNING", "the lease still holds"

    await change(context, export_id, leased_until=now() - LEASE)
    await render_all(context)
    done = await export(context, export_id)
    assert (done.status, done.attempt) == ("COMPLETED", 2)
    path = file_of(context, export_id, attempt=2)
    assert len(records(path)) == 5

    # The one that was thought dead comes back, and spoils nothing.
    before = path.read_bytes()
    while await dead.turn(context):
        pass
    assert await export(context, export_id) == done
    assert path.read_bytes() == before
    assert list(folder(context).iterdir()) == [path]
    assert len(await published(context)) == 1


async def test_a_job_that_kills_its_workers_is_given_up(context: ServiceContext) -> None:
    export_id = await ordered_run(context)
    for _ in range(MAX_ATTEMPTS):
        await ExportRenderer().turn(context)
        await change(context, export_id, leased_until=now() - LEASE)
    whole = file_of(context, export_id, attempt=1)
    half = whole.with_name(f"{file_of(context, export_id, attempt=MAX_ATTEMPTS).name}#1")
    for left_behind in (whole, half):
        left_behind.write_text("personal data")
    await render_all(context)
    failed = await export(context, export_id)
    assert (failed.status, failed.failure_reason) == ("FAILED", "INTERRUPTED")
    await delete_expired_exports(context)
    assert list(folder(context).iterdir()) == [], "nobody begins again who would delete it"


@pytest.mark.parametrize(
    ("code", "reason"), [(errno.ENOSPC, "STORAGE_FULL"), (errno.EIO, "STORAGE_FAILED")]
)
async def test_a_disk_that_does_not_do_its_part_fails_the_export(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    export_id = await ordered_run(context)

    def fail(_descriptor: int) -> None:
        raise OSError(code, "")

    monkeypatch.setattr("export_service.exports.export_file.os.fsync", fail)
    before = _failed(reason)
    with structlog.testing.capture_logs() as lines:
        await render_all(context)
    failed = await export(context, export_id)
    assert (failed.status, failed.failure_reason) == ("FAILED", reason)
    assert _failed(reason) == before + 1
    (line,) = lines
    assert (line["event"], line["reason"], line["exc_info"].errno) == (
        "export-failed",
        reason,
        code,
    )
    assert list(folder(context).iterdir()) == []
    assert await published(context) == []


async def test_a_file_that_lacks_rows_is_never_completed(context: ServiceContext) -> None:
    """R41: even if rows were lost behind the counts' back."""
    export_id = await ordered_run(context, members=2)
    async with context.database.begin() as connection:
        await connection.execute(handover_rows.delete().where(handover_rows.c.booking_number == 2))
    with structlog.testing.capture_logs() as lines:
        await render_all(context)
    failed = await export(context, export_id)
    assert (failed.status, failed.failure_reason) == ("FAILED", "ROWS_MISSING")
    assert [(line.get("expected"), line.get("found")) for line in lines] == [(2, 1), (None, None)]


async def test_details_that_are_deleted_while_they_are_exported_are_said_to_be(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render_export, "STORED_ROWS_PER_BATCH", 2)
    export_id = await ordered_run(context, members=5)
    renderer = ExportRenderer()
    await renderer.turn(context)
    async with context.database.begin() as connection:
        await connection.execute(handover_rows.delete())
        await connection.execute(runs.update().values(details_deleted_at=now()))
    while await renderer.turn(context):
        pass
    failed = await export(context, export_id)
    assert (failed.status, failed.failure_reason) == ("FAILED", "DETAILS_DELETED")


async def test_it_is_measured_how_late_exports_and_deletions_are(context: ServiceContext) -> None:
    async def measured() -> tuple[int, float]:
        await measure_exports(context)
        oldest = registry.get_sample_value("exports_oldest_ready_seconds") or 0.0
        return int(oldest), registry.get_sample_value("export_files_overdue") or 0.0

    run, _ = run_of(members=1)
    await announce(context, run)
    waits = await order(context, run.run_id)
    await change(context, waits, created_at=now() - timedelta(minutes=20))
    assert await measured() == (0, 0)
    ready = await ordered_run(context)
    await change(context, ready, created_at=now() - timedelta(minutes=10))
    assert (await measured())[0] in range(600, 660)
    await render_all(context)
    await change(context, ready, delete_file_at=now() - timedelta(hours=3))
    assert await measured() == (0, 1)


async def test_a_workbook_that_would_be_too_large_fails(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export_service.rendering.zip_stream._LIMIT", 5000)
    export_id = await ordered_run(context, members=50, layout=AS_XLSX)
    await render_all(context)
    failed = await export(context, export_id)
    assert (failed.status, failed.failure_reason) == ("FAILED", "TOO_LARGE")


@pytest.mark.parametrize("storage", ["folder", "bucket"], indirect=True)
async def test_a_worker_killed_while_it_writes_loses_and_doubles_nothing(
    context: ServiceContext,
) -> None:
    """R41: kill -9 in the middle of a CSV file, a workbook, and an archive of workbooks."""
    run, members = run_of(members=100, studios=[studio("Nord"), studio("Süd")])
    await announce(context, run)
    await hand_over(context, members)
    ordered = {await order(context, run.run_id, layout): layout for layout in ALL_LAYOUTS}
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.export_service.slow_worker",
        cwd=Path(__file__).parents[2],
        env=os.environ | environment(context.settings),
    )
    try:
        async with asyncio.timeout(60):
            while min([(await export(context, each)).rows_done for each in ordered]) < 3:
                await asyncio.sleep(0.05)
    finally:
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    files = context.one(ExportFiles)
    assert names_in(files) == []
    if context.settings.export_directory is not None:
        assert any(path.stat().st_size > 0 for path in folder(context).iterdir())

    for export_id in ordered:
        assert (await export(context, export_id)).status == "RUNNING"
        await change(context, export_id, leased_until=now() - LEASE)
    await render_all(context)
    expected = sorted(stored_name(export_id, 2, layout) for export_id, layout in ordered.items())
    assert names_in(files) == expected
    if context.settings.export_directory is not None:
        assert sorted(path.name for path in folder(context).iterdir()) == expected
    assert len(await published(context)) == 3

    undisturbed = {layout: await order(context, run.run_id, layout) for layout in ALL_LAYOUTS}
    await render_all(context)
    for export_id, layout in ordered.items():
        done = await export(context, export_id)
        assert (done.status, done.attempt, done.rows_done) == ("COMPLETED", 2, 100)
        assert done.sha256 == (await export(context, undisturbed[layout])).sha256


def _failed(reason: str) -> float:
    return registry.get_sample_value("exports_failed_total", {"reason": reason}) or 0.0


def environment(settings: Settings) -> dict[str, str]:
    """The settings as a program reads them."""
    values = settings.model_dump(exclude_unset=True)
    return {
        name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
    }
