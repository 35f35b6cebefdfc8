"""Writes rows as an Excel workbook, front to back and in bounded memory (R40, R41).

Every text is an inline string in a cell of format "@", so nothing can become a formula and leading
zeros stay; amounts are numbers, dates are dates, all else is text. Excel takes 1,048,576 rows a
sheet; a new one is begun far earlier, so that no sheet comes near the sizes for which a ZIP archive
needs ZIP64.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Self
from uuid import UUID

from export_service.rendering import xlsx_parts
from export_service.rendering.columns import Column, Kind
from export_service.rendering.language import Language
from export_service.rendering.summary import SummaryRow, SummaryValue
from export_service.rendering.xlsx_cells import (
    HEADER,
    TEXT,
    amount_cell,
    count_cell,
    date_cell,
    text_cell,
)
from export_service.rendering.xlsx_parts import Sheet
from export_service.rendering.xlsx_rows import rows_xml
from export_service.rendering.zip_stream import Output, ZipStream

ROWS_PER_SHEET = 500_000
SHEET_BYTES = 2 * 1024**3
"""A sheet that has grown to this size takes no further batch of rows."""

_SUMMARY_WIDTHS = [44, 40, 14, 14, 18, 10]
_LEAST_WIDTHS = {
    Kind.TEXT: 8,
    Kind.PHONES: 8,
    Kind.ENUM: 8,
    Kind.DATE: 12,
    Kind.DECIMAL: 14,
    Kind.BOOL: 10,
}
_WIDEST_TEXT = 50
_FILTER_BUTTON = 4


@dataclass(frozen=True, slots=True)
class SheetNames:
    """What the sheets of a workbook are called; the second sheet of rows is "Claims 2"."""

    rows: str
    summary: str

    @classmethod
    def of_claims(cls, language: Language) -> Self:
        """Names of the sheets of a run's export."""
        match language:
            case Language.DE:
                return cls("Forderungen", "Zusammenfassung")
            case Language.EN:
                return cls("Claims", "Summary")

    @classmethod
    def of_members(cls, language: Language) -> Self:
        """Names of the sheets of the members overview."""
        match language:
            case Language.DE:
                return cls("Mitglieder", "Zusammenfassung")
            case Language.EN:
                return cls("Members", "Summary")


class XlsxWriter:
    """Writes rows, in any number of batches, and then a summary, to an output that need not seek.

    A row holds one text for each column, in the form that `rows.rows_of` gives it. Columns are as
    wide as the texts of the first batch.
    """

    def __init__(
        self,
        output: Output,
        columns: Sequence[Column],
        names: SheetNames,
        rows_per_sheet: int = ROWS_PER_SHEET,
    ) -> None:
        self._zip = ZipStream(output)
        self._columns = columns
        self._kinds = [column.kind for column in columns]
        self._names = names
        self._rows_per_sheet = rows_per_sheet
        self._widths: list[int] = []
        self._sheets: list[Sheet] = []
        self._zip.add("_rels/.rels", xlsx_parts.ROOT_RELATIONS)
        self._zip.add("xl/styles.xml", xlsx_parts.STYLES)

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Writes a batch of rows; what does not fit into the sheet begins the next one."""
        if not self._widths:
            self._widths = _widths(self._columns, rows)
            self._begin_sheet()
        done = 0
        while done < len(rows):
            if self._rows_in_sheet >= self._rows_per_sheet or self._zip.entry_size >= SHEET_BYTES:
                self._end_sheet()
                self._begin_sheet()
            fitting = rows[done : done + self._rows_per_sheet - self._rows_in_sheet]
            self._zip.write(rows_xml(self._kinds, fitting).encode())
            self._rows_in_sheet += len(fitting)
            done += len(fitting)

    def finish(self, summary: Iterable[SummaryRow]) -> None:
        """Writes the summary and what makes the sheets one workbook."""
        self.add([])  # without any rows there is a sheet, too
        self._end_sheet()
        first, *further = self._sheets
        # Written last, for it sums up; the second one, for it is not looked for behind all rows.
        sheets = [first, self._add_summary(summary), *further]
        self._zip.add("xl/workbook.xml", xlsx_parts.workbook(sheets))
        self._zip.add("xl/_rels/workbook.xml.rels", xlsx_parts.workbook_relations(len(sheets)))
        self._zip.add("[Content_Types].xml", xlsx_parts.content_types(len(sheets)))
        self._zip.finish()

    def _begin_sheet(self) -> None:
        self._rows_in_sheet = 0
        number = len(self._sheets) + 1
        self._zip.begin(xlsx_parts.part_name(number))
        header = "".join(text_cell(column.name, HEADER) for column in self._columns)
        head = xlsx_parts.sheet_head(self._widths, selected=number == 1)
        self._zip.write(f"{head}<row>{header}</row>".encode())

    def _end_sheet(self) -> None:
        number = len(self._sheets) + 1
        name = self._names.rows if number == 1 else f"{self._names.rows} {number}"
        sheet = Sheet(number, name, filtered=(len(self._columns), self._rows_in_sheet + 1))
        self._zip.write(xlsx_parts.sheet_tail(sheet).encode())
        self._zip.end()
        self._sheets.append(sheet)

    def _add_summary(self, summary: Iterable[SummaryRow]) -> Sheet:
        sheet = Sheet(len(self._sheets) + 1, self._names.summary)
        head = xlsx_parts.sheet_head(_SUMMARY_WIDTHS, selected=False)
        rows = "".join(_summary_row(row) for row in summary)
        self._zip.add(
            xlsx_parts.part_name(sheet.number), head + rows + xlsx_parts.sheet_tail(sheet)
        )
        return sheet


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    """How many characters wide the columns are, by their headings and texts."""
    longest = [max(map(len, texts)) for texts in zip(*rows, strict=True)] or [0] * len(columns)
    return [
        max(
            _LEAST_WIDTHS[column.kind], len(column.name) + _FILTER_BUTTON, min(length, _WIDEST_TEXT)
        )
        for column, length in zip(columns, longest, strict=True)
    ]


def _summary_row(row: SummaryRow) -> str:
    cells = "".join(_summary_cell(value, HEADER if row.heading else TEXT) for value in row.values)
    return f"<row>{cells}</row>"


def _summary_cell(value: SummaryValue, text_style: int) -> str:
    match value:
        case str() | UUID():
            return text_cell(str(value), text_style)
        case Decimal():
            return amount_cell(value)
        case date():
            return date_cell(value.isoformat())
        case int():
            return count_cell(value)
