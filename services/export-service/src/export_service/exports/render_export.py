"""Render an export: the worker that turns the rows of a whole run into a file (R40, R41).

A job is claimed in one transaction, rendered batch by batch, and completed in another one together
with its event. Every batch prolongs the lease; a worker that is killed is not heard of any more,
and its job begins again elsewhere. Whoever has lost the lease changes nothing and deletes its file.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import structlog

from contracts import ExportCompletedV1
from export_service.exports import store
from export_service.exports.export import (
    ExportFailedError,
    FailureReason,
    Format,
    Job,
    download_name,
)
from export_service.exports.export_file import ExportFile, delete_left_behind
from export_service.rendering.csv_writer import CsvWriter
from export_service.rendering.summary import summary_of
from export_service.rendering.xlsx_writer import XlsxWriter
from export_service.rendering.zip_stream import ArchiveTooLargeError, Output
from export_service.runs import queries
from export_service.runs.columns import COLUMNS
from export_service.runs.run import Run
from export_service.settings import Settings
from kit import outbox
from kit.clock import now
from kit.context import Context
from kit.database import is_temporary
from kit.trace import carried

log = structlog.stdlib.get_logger(__name__)

ROWS_PER_BATCH = 1000
"""Rows in memory at a time, and between two signs of life."""


class Writer(Protocol):
    """Writes rows to an output, in a format of its own."""

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Writes a batch of rows."""

    def finish(self) -> None:
        """Writes what comes after the last row."""


class LeaseLostError(Exception):
    """Another worker has the job now."""


class ExportRenderer:
    """Renders one export at a time, a batch of rows for each turn of its worker.

    So a worker that is busy for minutes still turns, which is how the service knows that it lives.
    """

    def __init__(self) -> None:
        self._under_way: tuple[Job, AsyncIterator[None]] | None = None

    async def turn(self, context: Context[Settings]) -> bool:
        """Goes on, or begins the oldest export that is ready; returns whether there was one."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            job = await _claim(context)
            if job is None:
                return False
            under_way = job, _render(context, job)
        job, batches = under_way
        with carried(job.cause.correlation_id, job.cause.traceparent):
            if await _goes_on(context, job, batches):
                self._under_way = under_way
        return True


async def _claim(context: Context[Settings]) -> Job | None:
    async with context.database.begin() as connection:
        for export_id in await store.fail_hopeless_exports(connection, now()):
            directory = context.settings.export_directory
            await asyncio.to_thread(delete_left_behind, directory, export_id)
        return await store.claim_export(connection, now())


async def _goes_on(context: Context[Settings], job: Job, batches: AsyncIterator[None]) -> bool:
    """Renders one more batch; False when the export has ended, one way or the other."""
    try:
        await anext(batches)
    except StopAsyncIteration:
        return False
    except LeaseLostError:
        log.warning("export-lease-lost", export_id=job.export_id, attempt=job.attempt)
        return False
    except ExportFailedError as failure:
        await _fail(context, job, failure.reason)
        return False
    except Exception as error:
        if is_temporary(error):
            raise  # begins again when the lease is over
        log.exception("export-broke", export_id=job.export_id)
        await _fail(context, job, FailureReason.INTERNAL_ERROR)
        return False
    return True


async def _render(context: Context[Settings], job: Job) -> AsyncIterator[None]:
    """Makes the file and completes the export; yields after each batch of rows."""
    async with context.database.connect() as connection:
        run = await queries.run_of(connection, job.tenant_id, job.run_id, job.studio_ids)
    file = ExportFile(context.settings.export_directory, job)
    await asyncio.to_thread(file.open)
    try:
        # Threads do what keeps the processor or the disk busy: HTTP is answered meanwhile.
        writer = await asyncio.to_thread(_writer, job.format, file, run)
        row_count, position = 0, queries.START
        while True:
            async with context.database.begin() as connection:
                if not await store.report_progress(connection, job, row_count, now()):
                    raise LeaseLostError
                rows, position = await queries.next_rows(
                    connection,
                    job.tenant_id,
                    job.run_id,
                    job.studio_ids,
                    after=position,
                    limit=ROWS_PER_BATCH,
                )
            if not rows:
                break
            await asyncio.to_thread(_add, writer, rows)
            row_count += len(rows)
            yield
        if row_count != run.claim_count:
            raise ExportFailedError(FailureReason.ROWS_MISSING)
        await asyncio.to_thread(writer.finish)
        await asyncio.to_thread(file.sync)
        await _complete(context, job, run, file, row_count)
    except ArchiveTooLargeError as error:
        raise ExportFailedError(FailureReason.TOO_LARGE) from error
    finally:
        file.close()


async def _complete(
    context: Context[Settings], job: Job, run: Run, file: ExportFile, row_count: int
) -> None:
    completed_at = now()
    finished = store.Finished(
        file_name=download_name(run.booking_number, job.format),
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        completed_at=completed_at,
        expires_at=completed_at + context.settings.export_lifetime,
    )
    event = ExportCompletedV1(
        export_id=job.export_id,
        kind="RUN",
        run_id=job.run_id,
        format="CSV" if job.format is Format.CSV else "XLSX",
        row_count=row_count,
        size_bytes=finished.size_bytes,
        sha256=finished.sha256,
        expires_at=finished.expires_at,
    )
    async with context.database.begin() as connection:
        if not await store.complete_export(connection, job, finished):
            raise LeaseLostError
        # Renamed while the row is locked: nobody else can have the lease until the commit. If that
        # fails, the job begins again and replaces the file.
        await asyncio.to_thread(file.keep)
        await outbox.publish(connection, [(event, job.cause)])
    log.info("export-completed", export_id=job.export_id, rows=row_count, bytes=file.size_bytes)


async def _fail(context: Context[Settings], job: Job, reason: FailureReason) -> None:
    async with context.database.begin() as connection:
        await store.fail_export(connection, job, reason)
    log.warning("export-failed", export_id=job.export_id, reason=reason)


def _writer(format_: Format, output: Output, run: Run) -> Writer:
    match format_:
        case Format.CSV:
            return CsvWriter(output, COLUMNS)
        case Format.XLSX:
            return XlsxWriter(output, COLUMNS, summary_of(run))


def _add(writer: Writer, rows: Sequence[str]) -> None:
    writer.add([json.loads(cells) for cells in rows])
