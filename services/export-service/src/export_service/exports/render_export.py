"""Render an export: the worker that turns rows into a file (R40, R41, R42).

A job is claimed in one transaction, rendered batch by batch, and completed in another one together
with its event. Its lease is prolonged with every batch, and by `keep_leases` while something takes
longer; a worker that is killed is not heard of any more, and its job begins again elsewhere.
Whoever has lost the lease changes nothing and deletes its file: because another has begun again, or
because the export was cancelled.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, Final, TypeVar, TypeVarTuple
from uuid import UUID

import structlog

from contracts import Event, ExportCompletedV1, ExportMembersCompletedV1
from export_service.exports import store
from export_service.exports.contents import Contents, Rows, contents_of
from export_service.exports.document import begin_document
from export_service.exports.export import SMALL, ExportFailedError, FailureReason, Job
from export_service.exports.export_file import ExportFile, ExportFiles
from export_service.exports.measure_exports import exports_failed_total
from export_service.rendering.zip_stream import ArchiveTooLargeError
from export_service.settings import Settings
from kit import outbox
from kit.clock import now
from kit.context import Context
from kit.database import is_temporary
from kit.trace import carried

log = structlog.stdlib.get_logger(__name__)

STORED_ROWS_PER_BATCH = 500
"""So many are read at a time, and written between two signs of life.

Each stands for up to ten of the file: see `rows.StoredRow`.
"""

AT_ONCE: Final = 3
"""Exports that take turns. The last place is kept for a small one, which so never waits until a
large one has ended."""

_LOOK_EVERY: Final = 0.25
"""Seconds between two looks for another export while some are under way."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class LeaseLostError(Exception):
    """The job is another worker's now, or nobody's."""


class ExportRenderer:
    """Renders a few exports side by side, a piece of one of them for each turn.

    So a worker that is busy for minutes still turns, which is how the service knows that it lives.
    """

    def __init__(self) -> None:
        self._under_way: deque[tuple[Job, AsyncGenerator[None]]] = deque()
        self._thread = _Thread()
        self._look_again_at = 0.0

    async def turn(self, context: Context[Settings]) -> bool:
        """Begins an export that is ready, and goes on with one; False if there is none."""
        if not self._under_way or monotonic() >= self._look_again_at:
            await self._begin_another(context)
        if not self._under_way:
            return False
        job, pieces = self._under_way[0]
        try:
            with carried(job.cause.correlation_id, job.cause.traceparent):
                goes_on = await _goes_on(context, job, pieces)
        except Exception:
            self._under_way.popleft()  # begins again when its lease is over
            raise
        self._under_way.popleft()
        if goes_on:
            self._under_way.append((job, pieces))
        else:
            self._look_again_at = 0.0  # there is a place
        return True

    async def keep_leases(self, context: Context[Settings]) -> bool:
        """Prolongs the leases of all exports that are under way; False, for it does so at once.

        Counting rows, or sending the end of a large file to the storage, may take longer than one.
        """
        if jobs := [job for job, _ in self._under_way]:
            async with context.database.begin() as connection:
                await store.prolong_leases(connection, jobs)
        return False

    async def stop(self, context: Context[Settings]) -> None:
        """Gives all exports that are under way back: another worker begins them again at once."""
        for _, pieces in self._under_way:
            await pieces.aclose()
        if jobs := [job for job, _ in self._under_way]:
            async with context.database.begin() as connection:
                await store.give_back(connection, jobs)
        self._under_way.clear()

    async def _begin_another(self, context: Context[Settings]) -> None:
        places = AT_ONCE - len(self._under_way)
        job = await _claim(context, SMALL if places == 1 else None) if places else None
        if job is None:
            self._look_again_at = monotonic() + _LOOK_EVERY
        else:
            self._under_way.append((job, _render(context, job, self._thread)))


class _Thread:
    """Does what keeps the processor or the storage busy: HTTP is answered meanwhile.

    There is one, which does one thing after the other: when a worker is stopped in the middle of a
    piece, its file is closed only once nobody writes to it any more.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="render-exports")

    async def do(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Calls the function there."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, function, *arguments)


async def _claim(context: Context[Settings], max_rows: int | None) -> Job | None:
    async with context.database.begin() as connection:
        hopeless = await store.fail_hopeless_exports(connection)
        job = await store.claim_export(connection, max_rows)
    for export_id, reason in hopeless:
        _tell_failure(export_id, reason)
    return job


async def _goes_on(context: Context[Settings], job: Job, pieces: AsyncGenerator[None]) -> bool:
    """Renders one more piece; False when the export has ended, one way or the other."""
    try:
        await anext(pieces)
    except StopAsyncIteration:
        return False
    except LeaseLostError:
        await _tell_why_it_stops(context, job)
        return False
    except ExportFailedError as failure:
        await _fail(context, job, failure.reason, failure.__cause__)
        return False
    except Exception as error:
        if is_temporary(error):
            raise  # begins again when the lease is over
        log.exception("export-broke", export_id=job.export_id)
        await _fail(context, job, FailureReason.INTERNAL_ERROR)
        return False
    return True


async def _render(context: Context[Settings], job: Job, thread: _Thread) -> AsyncGenerator[None]:
    """Makes the file and completes the export; yields after each piece of a batch."""
    async with context.database.begin() as connection:
        contents = await contents_of(connection, job, context.settings.time_zone)
        if not await store.expect_rows(
            connection, job, contents.rows_total, contents.members_missing
        ):
            raise LeaseLostError
    file = await thread.do(context.one(ExportFiles).create, job)
    try:
        document = await thread.do(begin_document, file, job.layout, contents)
        row_count = 0
        while rows := await _next_rows(context, job, contents, row_count):
            pieces = document.add(rows)
            while written := await thread.do(next, pieces, 0):
                row_count += written
                yield
        async with context.database.connect() as connection:
            await contents.check(connection, row_count)
        await thread.do(document.finish)
        await thread.do(file.keep)
        if not await _complete(context, job, contents, file, row_count):
            await thread.do(file.delete)
            raise LeaseLostError
    except ArchiveTooLargeError as error:
        raise ExportFailedError(FailureReason.TOO_LARGE) from error
    finally:
        await thread.do(file.close)


async def _next_rows(
    context: Context[Settings], job: Job, contents: Contents, row_count: int
) -> Sequence[Rows]:
    async with context.database.begin() as connection:
        if not await store.report_progress(connection, job, row_count):
            raise LeaseLostError
    # Its row is not locked while others are read: who cancels it does not wait for that.
    async with context.database.connect() as connection:
        return await contents.next_rows(connection, STORED_ROWS_PER_BATCH)


async def _complete(
    context: Context[Settings], job: Job, contents: Contents, file: ExportFile, row_count: int
) -> bool:
    """Completes the export whose file is in storage; False if the job is not ours any more.

    If the commit fails, nobody knows of the file: the next attempt deletes it.
    """
    completed_at = now()
    finished = store.Finished(
        row_count=row_count,
        file_name=f"{contents.stem(None)}.{job.layout.ending}",
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        completed_at=completed_at,
        expires_at=completed_at + context.settings.export_lifetime,
    )
    async with context.database.begin() as connection:
        if not await store.complete_export(connection, job, finished):
            return False
        await outbox.publish(connection, [(_event(job, finished), job.cause)])
    log.info("export-completed", export_id=job.export_id, rows=row_count)
    return True


def _event(job: Job, finished: store.Finished) -> Event:
    told: dict[str, Any] = {
        "export_id": job.export_id,
        "format": job.layout.format.name,
        "row_count": finished.row_count,
        "size_bytes": finished.size_bytes,
        "sha256": finished.sha256,
        "expires_at": finished.expires_at,
    }
    if job.run_id is None:
        return ExportMembersCompletedV1(**told)
    if job.layout.per_studio:
        told["archive"] = "ZIP"
    return ExportCompletedV1(**told, kind="RUN", run_id=job.run_id)


async def _fail(
    context: Context[Settings],
    job: Job,
    reason: FailureReason,
    cause: BaseException | None = None,
) -> None:
    async with context.database.begin() as connection:
        failed = await store.fail_export(connection, job, reason)
    if failed:
        _tell_failure(job.export_id, reason, cause)


def _tell_failure(
    export_id: UUID, reason: FailureReason, cause: BaseException | None = None
) -> None:
    exports_failed_total.labels(reason).inc()
    log.warning("export-failed", export_id=export_id, reason=reason, exc_info=cause)


async def _tell_why_it_stops(context: Context[Settings], job: Job) -> None:
    async with context.database.connect() as connection:
        cancelled = await store.is_cancelled(connection, job)
    if cancelled:
        log.info("export-cancelled", export_id=job.export_id)
    else:
        log.warning("export-lease-lost", export_id=job.export_id, attempt=job.attempt)
