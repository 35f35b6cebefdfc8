"""The rows of a CSV file, as RFC 4180 has them; pure."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from partner_gateway.report_files.refusal import NO_FORMAT, RefusedError
from partner_gateway.report_files.table import Record, Unreadable

_SEPARATORS: Final = (";", ",", "\t")
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NEVER_CLOSED: Final = "unexpected end of data"
"""What the csv module says where a file ends within quotation marks."""
_TOO_LONG: Final = f"field larger than field limit ({csv.field_size_limit()})"
"""What it says of a cell of more characters."""


class CsvTable:
    """A CSV file, with one separator."""

    def __init__(self, text: str, separator: str) -> None:
        self._text = text
        self._separator = separator

    @property
    def rows_expected(self) -> int:
        """About how many rows there are."""
        return self._text.count("\n") + 1

    def rows(self) -> Iterator[Record]:
        """Yield the rows that are not blank.

        Raises `RefusedError` where the end of a row cannot be told: all rows behind it would be
        counted wrongly.
        """
        # Lines end with LF, CR LF or CR, and with nothing else that Unicode has.
        lines = io.StringIO(self._text, newline="")
        reader = csv.reader(lines, delimiter=self._separator, strict=True)
        number = 0
        while True:
            number += 1
            lines_before = reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if reader.line_num > lines_before + 1 or str(error) == _NEVER_CLOSED:
                    raise RefusedError(
                        f"From row {number} on the file cannot be read: is there a quotation mark "
                        "that is not closed?"
                    ) from None
                yield number, _why(error)
                continue
            stripped = [cell.strip() or None for cell in cells]
            if any(stripped):
                yield number, self._without_end(stripped)

    def _without_end(self, cells: list[str | None]) -> Sequence[str | None]:
        """Leave out empty cells at the end, which many programs write, unless commas separate.

        There `12,50,` is an amount that was split, before a last cell that is empty.
        """
        end = len(cells)
        while self._separator != "," and cells[end - 1] is None:
            end -= 1
        return cells[:end]


def _why(error: csv.Error) -> Unreadable:
    return Unreadable.TOO_LONG if str(error) == _TOO_LONG else Unreadable.BROKEN


def csv_tables(content: bytes) -> Sequence[CsvTable]:
    """Return a file as each separator shows it: UTF-8 with or without its mark, or Windows-1252.

    Raises `RefusedError` for what is no text.
    """
    if content.startswith(_UTF_16):
        raise RefusedError("The file is in UTF-16: save it as CSV in UTF-8")
    if b"\x00" in content:
        raise RefusedError(NO_FORMAT)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # The few bytes that mean nothing become halves of characters, which no cell takes.
        text = content.decode("cp1252", "surrogateescape")
    return [CsvTable(text, separator) for separator in _SEPARATORS]
