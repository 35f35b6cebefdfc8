"""Files are checked a piece at a time; after a crash it goes on with the piece it was at (R12)."""

import asyncio
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.context import Context
from run_service.imports import store
from run_service.imports.check_references import check_references
from run_service.imports.csv_reading import (
    LONGEST_RECORD,
    Form,
    NotReadableError,
    read_records,
)
from run_service.imports.headings import Fault, Headings, RefusedError, read_headings
from run_service.imports.kinds import Status
from run_service.imports.rows import Row, RowReader
from run_service.imports.store import LockedImport, StoredFile
from run_service.imports.work_on_import import work_on_import

CHECK_IMPORTS: Final = "check imports"
"""The worker's name."""

MOST_ROWS: Final = 500_000
"""Rows of a file, blank ones included."""


async def check_imports(context: Context[Any]) -> bool:
    """Check the next piece of an import, and tell whether there was one.

    How far it is is saved with what was found, so that each row is checked once.
    """

    async def check(connection: AsyncConnection, import_: LockedImport) -> None:
        if any(file.headings is None for file in import_.files):
            status = await _check_headings(connection, import_)
        elif files := [file for file in import_.files if file.checked < file.size]:
            status = await _check_rows(connection, import_, files[0], context.settings.time_zone)
            context.database.plan_anew()  # each row is looked up, when all are there
        else:
            await check_references(connection, import_)
            await store.delete_files(connection, import_)
            status = Status.CHECKED
        await store.change_import(connection, import_, status=status)

    return await work_on_import(context, Status.CHECKING, check)


async def _check_headings(connection: AsyncConnection, import_: LockedImport) -> Status:
    """Check the first row of each file."""
    status = Status.CHECKING
    for file in import_.files:
        piece, is_last = await _next_piece(connection, import_, file)
        try:
            found: Headings = await asyncio.to_thread(
                read_headings, file.kind, piece, file.encoding, is_last=is_last
            )
        except RefusedError as error:
            await store.add_faults(connection, import_, file.kind, error.faults)
            status = Status.REFUSED
        else:
            await store.change_file(
                connection,
                import_,
                file.kind,
                separator=found.separator,
                headings=found.headings,
                checked=found.size,
            )
    if status is Status.REFUSED:
        await store.delete_content(connection, import_)
    return status


async def _check_rows(
    connection: AsyncConnection, import_: LockedImport, file: StoredFile, time_zone: str
) -> Status:
    """Check the next rows of a file."""
    piece, is_last = await _next_piece(connection, import_, file)
    try:
        rows, next_row, size = await asyncio.to_thread(_read, file, piece, is_last, time_zone)
    except NotReadableError as error:
        fault = Fault(error.row, None, error.message)
        await store.add_faults(connection, import_, file.kind, [fault])
        await store.delete_content(connection, import_)
        return Status.REFUSED
    await store.add_rows(connection, import_, file.kind, rows)
    faults = [fault for row in rows for fault in row.faults]
    await store.add_faults(connection, import_, file.kind, faults)
    bad = sum(row.snapshot is None for row in rows)
    await store.change_file(
        connection,
        import_,
        file.kind,
        checked=file.checked + size,
        next_row=next_row,
        good=file.good + len(rows) - bad,
        bad=file.bad + bad,
    )
    return Status.CHECKING


async def _next_piece(
    connection: AsyncConnection, import_: LockedImport, file: StoredFile
) -> tuple[bytes, bool]:
    """Return what comes next in a file, and whether it is the rest."""
    piece = await store.read_content(connection, import_, file.kind, file.checked, LONGEST_RECORD)
    return piece, file.checked + len(piece) == file.size


def _read(
    file: StoredFile, piece: bytes, is_last: bool, time_zone: str
) -> tuple[list[Row], int, int]:
    """Return the rows of a piece, the number of the next one, and how many bytes they take."""
    assert file.separator is not None, "the headings were checked"
    assert file.headings is not None, "the headings were checked"
    form = Form(file.encoding, file.separator)
    records = read_records(piece, form, file.next_row, is_last=is_last)
    if records.next_row > MOST_ROWS + 2:
        raise NotReadableError(MOST_ROWS + 2, f"There are more than {MOST_ROWS} rows")
    reader = RowReader(file.kind, file.headings, file.encoding, time_zone)
    rows = [reader.read(row, cells) for row, cells in records.cells.items()]
    rows += [
        Row(row, {}, None, [Fault(row, None, message)]) for row, message in records.broken.items()
    ]
    return sorted(rows, key=lambda row: row.row), records.next_row, records.size
