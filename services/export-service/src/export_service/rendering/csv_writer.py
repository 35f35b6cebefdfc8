"""Writes rows as CSV that is safe to open in a spreadsheet (R40, R41).

A spreadsheet takes a cell that begins with =, +, - or @ for a formula, whether or not the cell is
quoted; some drop a TAB, CR or LF before it, or read the full-width forms of these characters alike
(OWASP, "CSV Injection"). A text that begins so gets an apostrophe in front. So that this can be
undone without guessing, a text that already begins with apostrophes and such a character gets one
more. Whoever reads the file takes one apostrophe off whatever matches

    ^'+[=+\\-@\\t\\r\\n＝＋－＠]

and has the text as it was. In the columns of phone numbers those of digits and spaces stay bare:
nothing in them is computed. So does what follows a space, which makes a text of it.

A text that holds the separator is quoted, so no cell begins inside of a text, as long as the file
is opened with its own separator. That is what the dialects are for.
"""

import re
from collections.abc import Sequence
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
_SEPARATOR = "\x00"
_TRIGGERED = "'*[=+\\-@\t\r\n＝＋－＠]"
_FORMULA = re.compile(_TRIGGERED)
_PHONE_NUMBERS = re.compile(r"\+[0-9 ]+(?:,\+?[0-9 ]+)*")
_BEGINS_TRIGGERED = re.compile(_SEPARATOR + _TRIGGERED)


def guarded(text: str) -> str:
    """The text, with an apostrophe in front if a spreadsheet could take it for a formula."""
    return "'" + text if _FORMULA.match(text) else text


def guarded_phones(text: str) -> str:
    """The same, of a text of phone numbers: those of digits and spaces need no apostrophe."""
    return text if _PHONE_NUMBERS.fullmatch(text) else guarded(text)


def _hold_triggered(texts: Sequence[str]) -> bool:
    return _BEGINS_TRIGGERED.search(_SEPARATOR + _SEPARATOR.join(texts)) is not None


_GUARDS = {Kind.TEXT: guarded, Kind.PHONES: guarded_phones}


class CsvWriter:
    """Writes a header and then rows, in any number of batches, to an output that need not seek.

    A row holds one text for each column, in the form that `rows.rows_of` gives it. Only free texts
    are guarded: amounts, dates, truth values and words of our lists never begin as a formula does,
    but for negative amounts, which are numbers. Without the guard all texts are as they are.

    What a cell may need is looked for in all cells of a column at once. That is twice as quick as
    the csv module, and the file is the one that it would write.
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
        self._delimiter = ";" if self._german else ","
        self._special = (self._delimiter, '"', "\r", "\n")
        self._guarded = guarded
        header = self._lines([self._quoted([column.name]) for column in columns])
        self._output.write(encoded(_BYTE_ORDER_MARK + header if self._german else header))

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Writes a batch of rows."""
        if not rows:
            return
        columns = zip(self._kinds, zip(*rows, strict=True), strict=True)
        cells = [self._cells(kind, texts) for kind, texts in columns]
        self._output.write(encoded(self._lines(cells)))

    def _lines(self, columns: Sequence[Sequence[str]]) -> str:
        lines = map(self._delimiter.join, zip(*columns, strict=True))
        return "".join([f"{line}\r\n" for line in lines])

    def _cells(self, kind: Kind, texts: Sequence[str]) -> Sequence[str]:
        if kind is Kind.DECIMAL and self._german:
            return [text.replace(".", ",") for text in texts]
        if kind in _GUARDS and self._guarded and _hold_triggered(texts):
            texts = list(map(_GUARDS[kind], texts))
        return self._quoted(texts)

    def _quoted(self, texts: Sequence[str]) -> Sequence[str]:
        together = "".join(texts)
        if not any(character in together for character in self._special):
            return texts
        return [
            '"' + text.replace('"', '""') + '"'
            if any(character in text for character in self._special)
            else text
            for text in texts
        ]
