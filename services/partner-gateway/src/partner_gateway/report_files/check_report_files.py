"""Check what came in: a dry run that reports nothing (R53)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now, today
from kit.context import Context
from partner_gateway.report_files import store
from partner_gateway.report_files.add_rows import add_rows, find_faults_and_cases
from partner_gateway.report_files.judge_rows import judge_rows
from partner_gateway.report_files.reading import Batch, ReaderLimits, reading
from partner_gateway.report_files.refusal import RefusedError
from partner_gateway.report_files.report_file import ReportFile
from partner_gateway.settings import Settings

WORKER: Final = "check report files"
"""The worker that does this."""

_TAKEN_FOR: Final = timedelta(seconds=60)
"""How long others keep off a file, from each batch of rows on."""


class _NotOursError(Exception):
    """The file was withdrawn, or another instance has gone on with it."""


async def check_report_files(context: Context[Settings]) -> bool:
    """Check one file; tell whether there was one.

    How far it is read is saved with the rows. After a crash the file is read again, and what was
    saved is left out.
    """
    async with context.database.begin() as connection:
        file = await store.take_file_to_check(connection, now(), _TAKEN_FOR)
    if file is None:
        return False
    try:
        await _check(context, file)
    except RefusedError as error:
        async with context.database.begin() as connection:
            await store.refuse_file(connection, file, error.reason)
    except _NotOursError:
        pass
    return True


async def _check(context: Context[Settings], file: ReportFile) -> None:
    settings = context.settings
    how = file.used_format.reading(today(settings.time_zone), is_own=file.own_format)
    limits = ReaderLimits(
        settings.report_reader_memory_mb * 1024 * 1024, settings.report_reader_seconds
    )
    last = file.last_row_read
    async with reading(_content(context, file), how, limits) as batches:
        async for batch in batches:
            last = await _keep(context, file, batch, last)
    async with context.database.begin() as connection:
        await _go_on(connection, file, last, last, rows_expected=last)
        await judge_rows(connection, file)
        await store.delete_pieces(connection, file)


async def _go_on(
    connection: AsyncConnection,
    file: ReportFile,
    after_row: int,
    last_row: int,
    rows_expected: int,
    bad: int = 0,
) -> None:
    """Lock the file and store how far it is read; raises `_NotOursError`."""
    is_ours = await store.read_on(
        connection,
        file,
        after_row=after_row,
        last_row=last_row,
        rows_expected=rows_expected,
        bad=bad,
        until=now() + _TAKEN_FOR,
    )
    if not is_ours:
        raise _NotOursError


async def _content(context: Context[Settings], file: ReportFile) -> AsyncIterator[bytes]:
    number = 0
    while True:
        async with context.database.connect() as connection:
            piece = await store.read_piece(connection, file, number)
        if piece is None:
            return
        yield piece
        number += 1


async def _keep(context: Context[Settings], file: ReportFile, batch: Batch, last: int) -> int:
    """Save rows that are behind the last one that was saved; return the last one now."""
    rows = [row for row in batch.rows if row.row > last]
    if not rows:
        return last
    async with context.database.begin() as connection:
        faults, cases = await find_faults_and_cases(connection, file, rows)
        await _go_on(
            connection, file, last, rows[-1].row, batch.rows_expected, len(rows) - len(cases)
        )
        await add_rows(connection, file, rows, faults, cases)
    return rows[-1].row
