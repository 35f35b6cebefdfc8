"""Writes the export as CSV (RFC 4180, UTF-8) that is safe to open in a spreadsheet (R40, R41).

A spreadsheet takes a text that begins with =, + and the like for a formula. Such texts get an
apostrophe in front. So that this can be undone without guessing, a text that already begins with
apostrophes and such a character gets one more: whoever reads the file takes one apostrophe off
whatever matches `^'+[=+\\-@\\t\\r\\n＝＋－＠]` and has the text as it was.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

from export_service.rendering.columns import Column, Kind
from export_service.rendering.texts import without_lone_surrogates
from export_service.rendering.zip_stream import Output


class CsvDialect(StrEnum):
    """STANDARD is RFC 4180; GERMAN_EXCEL is what Excel opens by a double click in Germany."""

    STANDARD = "STANDARD"
    GERMAN_EXCEL = "GERMAN_EXCEL"


_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
_PHONE_NUMBERS = re.compile(r"\+[0-9 ]+(?:,\+?[0-9 ]+)*")


def guarded(text: str) -> str:
    """The text, with an apostrophe in front if a spreadsheet could take it for a formula.

    International phone numbers made of digits and spaces stay bare: nothing in them is computed.
    """
    if _FORMULA.match(text) and not _PHONE_NUMBERS.fullmatch(text):
        return "'" + text
    return text


class CsvWriter:
    """Writes a header and then rows, in any number of batches, to an output that need not seek.

    A row holds one text for each column, in the form that `rows.text_of` gives it; amounts, dates
    and truth values are written bare.
    """

    def __init__(self, output: Output, columns: Sequence[Column]) -> None:
        self._output = output
        self._free_texts = [i for i, column in enumerate(columns) if column.kind is Kind.TEXT]
        self._write([[column.name for column in columns]])

    def add(self, rows: Iterable[Sequence[str]]) -> None:
        """Writes a batch of rows."""
        self._write(self._guarded_row(row) for row in rows)

    def finish(self) -> None:
        """CSV has no end of its own."""

    def _guarded_row(self, row: Sequence[str]) -> Sequence[str]:
        cells = list(row)
        for i in self._free_texts:
            text = cells[i]
            # Of ASCII, only what sorts before "A" begins a formula: most texts are done here.
            if text and not "A" <= text[0] <= "z":
                cells[i] = guarded(text)
        return cells

    def _write(self, rows: Iterable[Sequence[str]]) -> None:
        buffer = io.StringIO(newline="")
        csv.writer(buffer, lineterminator="\r\n").writerows(rows)
        self._output.write(without_lone_surrogates(buffer.getvalue()).encode())
