"""How quick and small writing Excel is, against openpyxl's write-only mode in the same run (R41).

Not part of the tests: `make bench` runs it. Only the ratio means something; the machine is busy.
"""

import io
import time
import tracemalloc
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import openpyxl
from tests.export_service.handed_over import handover

from export_service.rendering.csv_writer import CsvWriter
from export_service.rendering.xlsx_writer import XlsxWriter
from export_service.rendering.columns import Kind
from export_service.runs.columns import COLUMNS
from export_service.runs.rows import rows_of, text_of

ROWS = 5_000
BATCH = 1_000
AT_LEAST_AS_QUICK = 5
MEGABYTE = 1024 * 1024


class Nowhere(io.RawIOBase):
    """Takes all bytes and keeps none."""

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        return len(data)


def batches(rows: int) -> list[list[list[str]]]:
    """Rows of a real handover, in batches."""
    row = [text_of(value) for value in rows_of(handover())[0]]
    return [[list(row) for _ in range(BATCH)] for _ in range(rows // BATCH)]


def by_our_writer() -> None:
    """Writes the rows as the service does."""
    writer = XlsxWriter(Nowhere(), COLUMNS, ())
    for batch in batches(ROWS):
        writer.add(batch)
    writer.finish()


def by_our_csv_writer() -> None:
    """Writes the rows as the service does, as CSV."""
    writer = CsvWriter(Nowhere(), COLUMNS)
    for batch in batches(ROWS):
        writer.add(batch)
    writer.finish()


def by_openpyxl() -> None:
    """Writes the same rows, with the same types."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for batch in batches(ROWS):
        for row in batch:
            sheet.append([_typed(c.kind, text) for c, text in zip(COLUMNS, row, strict=True)])
    book.save(io.BytesIO())


def test_our_writer_is_several_times_as_quick_as_openpyxl() -> None:
    """R41."""
    ours, csv, theirs = (
        _seconds(write) for write in (by_our_writer, by_our_csv_writer, by_openpyxl)
    )
    print(  # noqa: T201  what a benchmark is for
        f"\n{ROWS} rows of {len(COLUMNS)} columns: xlsx {ROWS / ours:,.0f} rows/s,"
        f" csv {ROWS / csv:,.0f} rows/s, openpyxl {ROWS / theirs:,.0f} rows/s;"
        f" {theirs / ours:.1f} times as quick as openpyxl"
    )
    assert theirs / ours > AT_LEAST_AS_QUICK


def test_memory_does_not_grow_with_the_rows() -> None:
    """R41: ten times the rows take no more memory."""
    batch = batches(BATCH)[0]
    peaks = []
    for count in (2, 20):
        tracemalloc.start()
        writer = XlsxWriter(Nowhere(), COLUMNS, ())
        for _ in range(count):
            writer.add(batch)
        writer.finish()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    few, many = peaks
    print(  # noqa: T201  as above
        f"\npeak {few / MEGABYTE:.1f} MB for 2,000 rows, {many / MEGABYTE:.1f} MB for 20,000"
    )
    assert many < few * 1.2


def _typed(kind: Kind, text: str) -> str | date | Decimal | bool | None:
    if not text:
        return None
    match kind:
        case Kind.DATE:
            return date.fromisoformat(text)
        case Kind.DECIMAL:
            return Decimal(text)
        case Kind.BOOL:
            return text == "true"
        case _:
            return text


def _seconds(write: Callable[[], None]) -> float:
    started = time.perf_counter()
    write()
    return time.perf_counter() - started
