"""Writers of files side by side: each writes the same rows, in a process of its own.

`python -m tests.benchmarks.file_writers <writer> <rows> <file> <times>` writes the rows, which are
texts in a JSON file, that often one behind the other, and prints what was measured, as JSON. From
the second time on their texts are others, and making them is measured, too.

Each writes the columns of a run with the types and looks that the service gives them: a bold and
frozen header with a filter, widths, texts of format "@" with the quote prefix, dates, and amounts
with two decimals. Ours takes texts, as the service has them, and has to look at each of them; the
others get dates and numbers, which are made before the clock starts.
"""

import csv
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import psutil
import rustpy_xlsxwriter
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from tests.benchmarks.measuring import MEGABYTE, Memory

from export_service.rendering.columns import Kind
from export_service.rendering.csv_writer import CsvWriter
from export_service.rendering.language import Language
from export_service.rendering.xlsx_writer import SheetNames, XlsxWriter
from export_service.runs.columns import COLUMNS

BATCH = 1_000
WIDTH = 20.0
FORMATS = {
    Kind.TEXT: "@",
    Kind.PHONES: "@",
    Kind.ENUM: "@",
    Kind.DATE: r"dd\.mm\.yyyy",
    Kind.DECIMAL: "#,##0.00",
    Kind.BOOL: "@",
}

Rows = list[list[str]]


@dataclass(frozen=True)
class Measured:
    """What it takes to write the rows."""

    rows: int
    seconds: float
    """Of a processor, for the machine is busy with other things; no writer keeps two busy."""
    bytes: int
    memory: float
    """Megabytes by which the process grows meanwhile."""

    @property
    def rows_per_second(self) -> float:
        """How quick it is."""
        return self.rows / self.seconds


def _typed(rows: Rows, number: type[float] | type[Decimal]) -> list[list[Any]]:
    of_kind: dict[Kind, Callable[[str], Any]] = {
        Kind.TEXT: str,
        Kind.PHONES: str,
        Kind.ENUM: str,
        Kind.DATE: date.fromisoformat,
        Kind.DECIMAL: number,
        Kind.BOOL: str,
    }
    types = [of_kind[column.kind] for column in COLUMNS]
    return [
        [type_(text) if text else None for type_, text in zip(types, row, strict=True)]
        for row in rows
    ]


def _batches(rows: Rows, times: int) -> Iterator[Rows]:
    """All rows, and then again with other texts: whoever keeps what it has seen would grow."""
    for number in range(times):
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            yield [_changed(row, number) for row in batch] if number else batch


def _changed(row: list[str], number: int) -> list[str]:
    return [
        f"{text} {number}" if text and column.kind is Kind.TEXT else text
        for column, text in zip(COLUMNS, row, strict=True)
    ]


def xlsx(rows: Rows, path: Path, times: int) -> Callable[[], None]:
    """Our workbook."""

    def write() -> None:
        with path.open("wb") as file:
            writer = XlsxWriter(file, COLUMNS, SheetNames.of_claims(Language.DE))
            for batch in _batches(rows, times):
                writer.add(batch)
            writer.finish([])

    return write


def openpyxl_write_only(rows: Rows, path: Path, times: int) -> Callable[[], None]:
    """openpyxl's write-only mode; styled cells are made once and used for each row."""
    typed = _typed(rows, Decimal)

    def write() -> None:
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet("Forderungen")
        sheet.freeze_panes = "A2"
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(COLUMNS))}{len(typed) * times + 1}"
        headings, cells = [], []
        for number, column in enumerate(COLUMNS, 1):
            sheet.column_dimensions[get_column_letter(number)].width = WIDTH
            heading, cell = WriteOnlyCell(sheet, column.name), WriteOnlyCell(sheet)
            heading.font = Font(bold=True)
            cell.number_format = FORMATS[column.kind]
            if FORMATS[column.kind] == "@":
                cell.quotePrefix = True
            headings.append(heading)
            cells.append(cell)
        sheet.append(headings)
        for _ in range(times):
            for row in typed:
                for cell, value in zip(cells, row, strict=True):
                    cell.value = value
                sheet.append(cells)
        book.save(path)

    return write


def rustpy(rows: Rows, path: Path, times: int) -> Callable[[], None]:
    """rustpy-xlsxwriter; it takes records, and amounts as floats."""
    names = [column.name for column in COLUMNS]
    records = [dict(zip(names, row, strict=True)) for row in _typed(rows, float)] * times

    @cache
    def format_of(kind: Kind) -> rustpy_xlsxwriter.Format:
        format_ = rustpy_xlsxwriter.Format().set_num_format(FORMATS[kind])
        return format_.set_quote_prefix() if FORMATS[kind] == "@" else format_

    def write() -> None:
        rustpy_xlsxwriter.write_worksheet(
            records,
            str(path),
            "Forderungen",
            freeze_row=1,
            autofilter=True,
            column_widths=[WIDTH] * len(COLUMNS),
            column_formats=[format_of(column.kind) for column in COLUMNS],
            header_format=rustpy_xlsxwriter.Format().set_bold(),
        )

    return write


def csv_guarded(rows: Rows, path: Path, times: int) -> Callable[[], None]:
    """Our CSV, with its guard against formulas."""

    def write() -> None:
        with path.open("wb") as file:
            writer = CsvWriter(file, COLUMNS)
            for batch in _batches(rows, times):
                writer.add(batch)

    return write


def csv_bare(rows: Rows, path: Path, times: int) -> Callable[[], None]:
    """The csv module alone."""

    def write() -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([column.name for column in COLUMNS])
            for batch in _batches(rows, times):
                writer.writerows(batch)

    return write


WRITERS: Sequence[Callable[[Rows, Path, int], Callable[[], None]]] = (
    xlsx,
    openpyxl_write_only,
    rustpy,
    csv_guarded,
    csv_bare,
)


def _measured(name: str, rows: Rows, path: Path, times: int) -> Measured:
    write = next(writer for writer in WRITERS if writer.__name__ == name)(rows, path, times)
    gc.collect()
    gc.freeze()  # the rows are no business of what is measured
    process = psutil.Process(os.getpid())
    before = process.memory_info().rss / MEGABYTE
    memory = Memory(process.pid)
    try:
        started = time.process_time()
        write()
        seconds = time.process_time() - started
        peak = memory.peak()
    finally:
        memory.stop()
    return Measured(len(rows) * times, seconds, path.stat().st_size, max(peak - before, 0))


if __name__ == "__main__":
    _, writer, rows_path, path, times = sys.argv
    given = json.loads(Path(rows_path).read_text())
    print(json.dumps(asdict(_measured(writer, given, Path(path), int(times)))))  # noqa: T201
