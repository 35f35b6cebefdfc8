"""The reader process: a file comes in, what its rows say goes out.

`python -m partner_gateway.report_files.reader` holds no secret and no connection, and has as much
memory and time as it is told and no more: a file that breaks it breaks nothing else.

Standard input is one line of JSON (the limits, and how to read), then the file. Standard output is
lines of JSON: `{"rows": …}` with about how many there are, then each row in order, and at last
`{"end": …}` or `{"refused": …}`. Without such a last line the process has died.
"""

import json
import resource
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from partner_gateway.report_files.csv_table import csv_tables
from partner_gateway.report_files.refusal import RefusedError
from partner_gateway.report_files.rows import Reading, RowReader, known_headings
from partner_gateway.report_files.table import Record, Table, Unreadable
from partner_gateway.report_files.xlsx_guard import MAX_ROWS, check_workbook

_ZIP: Final = b"PK\x03\x04"
_OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0"


def main() -> None:
    """Read one file from standard input."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    order = json.loads(source.readline())
    _limit(order["memory_bytes"], order["seconds"])
    try:
        _read(source.read(), Reading.from_json(order["reading"]), target)
    except RefusedError as error:
        _write(target, {"refused": error.reason})
    target.flush()


def _limit(memory_bytes: int, seconds: int) -> None:
    """Take away from this process what it must not use, for good."""
    with suppress(OSError):  # Linux only: where memory runs out, this process goes first
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(content: bytes, reading: Reading, target: BinaryIO) -> None:
    """Write what the rows say; raises `RefusedError`."""
    table, (heading_row, headings) = _best(_tables(content), reading)
    if isinstance(headings, Unreadable) or not known_headings(reading, headings):
        raise RefusedError(f"Row {heading_row} must hold the headings of the format")
    reader = RowReader(reading, headings)
    _write(target, {"rows": table.rows_expected})
    last = heading_row
    for number, record in table.rows():
        if number > MAX_ROWS:
            raise RefusedError(f"There are more than {MAX_ROWS:,} rows")
        if number > heading_row:
            _write(target, reader.read(number, record).line())
            last = number
    if last == heading_row:
        raise RefusedError("There are no rows below the headings")
    _write(target, {"end": last})


def _tables(content: bytes) -> Sequence[Table]:
    """Return the ways to read a file."""
    if content.startswith(_OLD_EXCEL):
        raise RefusedError("Save the workbook as .xlsx, without a password: others are not read")
    if not content.startswith(_ZIP):
        return csv_tables(content)
    check_workbook(content)
    # Only behind the guard, and only where it is needed.
    from partner_gateway.report_files.xlsx_table import XlsxTable

    return [XlsxTable(content)]


def _best(tables: Sequence[Table], reading: Reading) -> tuple[Table, Record]:
    """Return the way to read that shows most of the headings, and the first row so read."""
    found: list[tuple[Table, Record]] = []
    for table in tables:
        first = next(iter(table.rows()), None)
        if first is None:
            raise RefusedError("The file is empty")
        found.append((table, first))
    return max(found, key=lambda each: _shown(reading, each[1]))


def _shown(reading: Reading, first: Record) -> int:
    _, headings = first
    return 0 if isinstance(headings, Unreadable) else known_headings(reading, headings)


def _write(target: BinaryIO, line: Mapping[str, Any]) -> None:
    target.write(json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    main()
