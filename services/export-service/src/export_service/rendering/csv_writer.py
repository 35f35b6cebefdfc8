"""Writes rows as CSV that is safe to open in a spreadsheet (R40, R41).

A spreadsheet takes a cell that begins with =, +, - or @ for a formula, whether or not the cell is
quoted; some drop a TAB, CR or LF before it, or read the full-width forms of these characters alike
(OWASP, "CSV Injection"). A text that begins so gets an apostrophe in front. So that this can be
undone without guessing, a text that already begins with apostrophes and such a character gets one
more. Whoever reads the file takes one apostrophe off whatever matches

    ^'+[=+\\-@\\t\\r\\n＝＋－＠]

and has the text as it was. Phone numbers of digits and spaces stay bare: nothing in them is
computed. So does what follows a space, which makes a text of it.

A text that holds the separator is quoted, so no cell begins inside of a text, as long as the file
is opened with its own separator. That is what the dialects are for.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

from export_service.rendering.columns import Column, Kind
from export_service.rendering.texts import encoded
from export_service.rendering.zip_stream import Output


class CsvDialect(StrEnum):
    """How a CSV file is written.

    STANDARD is RFC 4180. GERMAN_EXCEL is what Excel opens by a double click in Germany: with a byte
    order mark, semicolons between cells and decimal commas; all else is the same.
    """

    STANDARD = "STANDARD"
    GERMAN_EXCEL = "GERMAN_EXCEL"


_BYTE_ORDER_MARK = "\ufeff"
_TRIGGERS = "=+-@\t\r\n＝＋－＠"
_FIRST_OF_FORMULA = frozenset("'" + _TRIGGERS)
_FORMULA = re.compile(f"'*[{re.escape(_TRIGGERS)}]")
_PHONE_NUMBERS = re.compile(r"\+[0-9 ]+(?:,\+?[0-9 ]+)*")


def guarded(text: str) -> str:
    """The text, with an apostrophe in front if a spreadsheet could take it for a formula."""
    if _FORMULA.match(text) and not _PHONE_NUMBERS.fullmatch(text):
        return "'" + text
    return text


class CsvWriter:
    """Writes a header and then rows, in any number of batches, to an output that need not seek.

    A row holds one text for each column, in the form that `rows.text_of` gives it. Only free texts
    are guarded: amounts, dates, truth values and words of our lists never begin as a formula does,
    but for negative amounts, which are numbers. Without the guard all texts are as they are.
    """

    def __init__(
        self,
        output: Output,
        columns: Sequence[Column],
        dialect: CsvDialect = CsvDialect.STANDARD,
        guarded: bool = True,
    ) -> None:
        self._output = output
        self._kinds = [column.kind for column in columns]
        self._german = dialect is CsvDialect.GERMAN_EXCEL
        self._guarded = guarded
        header = self._encoded([[column.name for column in columns]])
        self._output.write(_BYTE_ORDER_MARK.encode() + header if self._german else header)

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Writes a batch of rows."""
        columns = zip(self._kinds, zip(*rows, strict=True), strict=bool(rows))
        cells = [self._cells(kind, texts) for kind, texts in columns]
        self._output.write(self._encoded(zip(*cells, strict=True)))

    def finish(self) -> None:
        """CSV has no end of its own."""

    def _cells(self, kind: Kind, texts: Sequence[str]) -> Sequence[str]:
        """A column's cells: a column that needs nothing, as nearly all, is left as it is."""
        if kind is Kind.TEXT and self._guarded:
            if not _FIRST_OF_FORMULA.isdisjoint({text[:1] for text in texts}):
                return [guarded(text) for text in texts]
        elif kind is Kind.DECIMAL and self._german:
            return [text.replace(".", ",") for text in texts]
        return texts

    def _encoded(self, rows: Iterable[Sequence[str]]) -> bytes:
        buffer = io.StringIO(newline="")
        delimiter = ";" if self._german else ","
        csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
        return encoded(buffer.getvalue())
