"""Writes the export as an Excel workbook, row by row and in bounded memory (R40, R41).

Every text is an inline string in a cell of format "@", so nothing can become a formula and leading
zeros stay; amounts are numbers, dates are dates. Excel takes 1,048,576 rows a sheet; a new one is
begun far earlier, so that no sheet comes near the sizes for which a ZIP archive needs ZIP64.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal

from export_service.rendering import xlsx_parts
from export_service.rendering.columns import Column, Kind
from export_service.rendering.summary import SummaryRow, SummaryValue
from export_service.rendering.xlsx_cells import (
    AMOUNT,
    DATE,
    EMPTY_CELL,
    HEADER,
    LONGEST_TEXT,
    TEXT,
    amount_cell,
    bool_cell,
    count_cell,
    date_cell,
    day_number,
    escaped,
    text_cell,
)
from export_service.rendering.xlsx_parts import Sheet
from export_service.rendering.zip_stream import Output, ZipStream

ROWS_PER_SHEET = 500_000
BYTES_PER_SHEET = 2 * 1024**3
"""A sheet that has grown to this size takes no further batch of rows."""

SHEET_NAME = "Forderungen"
SUMMARY_NAME = "Zusammenfassung"

_SEPARATOR = "\x00"
_CELLS = {
    Kind.TEXT: f'<c s="{TEXT}" t="inlineStr"><is><t>%s</t></is></c>',
    Kind.ENUM: f'<c s="{TEXT}" t="inlineStr"><is><t>%s</t></is></c>',
    Kind.DATE: f'<c s="{DATE}"><v>%s</v></c>',
    Kind.DECIMAL: f'<c s="{AMOUNT}"><v>%s</v></c>',
    Kind.BOOL: '<c t="b"><v>%s</v></c>',
}
_ENCODERS: dict[Kind, Callable[[str], str]] = {
    Kind.TEXT: text_cell,
    Kind.ENUM: text_cell,
    Kind.DATE: date_cell,
    Kind.DECIMAL: amount_cell,
    Kind.BOOL: bool_cell,
}
_EMPTY_CELLS = sorted({cell % "" for cell in _CELLS.values()})
_SUMMARY_WIDTHS = [44, 40, 14, 14, 18, 10]
_WIDTHS = {Kind.TEXT: 20, Kind.ENUM: 14, Kind.DATE: 12, Kind.DECIMAL: 12, Kind.BOOL: 10}


class XlsxWriter:
    """Writes rows, in any number of batches, and a summary, to an output that need not seek.

    A row holds one text for each column, in the form that `rows.text_of` gives it.
    """

    def __init__(
        self,
        output: Output,
        columns: Sequence[Column],
        summary: Iterable[SummaryRow],
        rows_per_sheet: int = ROWS_PER_SHEET,
    ) -> None:
        self._zip = ZipStream(output)
        self._columns = columns
        self._summary = summary
        self._rows_per_sheet = rows_per_sheet
        self._kinds = [column.kind for column in columns]
        self._dates = [i for i, kind in enumerate(self._kinds) if kind is Kind.DATE]
        self._bools = [i for i, kind in enumerate(self._kinds) if kind is Kind.BOOL]
        self._template = "<row>" + "".join(_CELLS[kind] for kind in self._kinds) + "</row>"
        self._sheets: list[Sheet] = []
        self._zip.add("_rels/.rels", xlsx_parts.ROOT_RELATIONS)
        self._zip.add("xl/styles.xml", xlsx_parts.STYLES)
        self._begin_sheet()

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Writes a batch of rows; what does not fit into the sheet begins the next one."""
        while rows:
            room = self._rows_per_sheet - self._rows_in_sheet
            if room == 0 or self._zip.entry_size >= BYTES_PER_SHEET:
                self._end_sheet()
                self._begin_sheet()
                continue
            fitting, rows = rows[:room], rows[room:]
            self._zip.write("".join([self._row(row) for row in fitting]).encode())
            self._rows_in_sheet += len(fitting)

    def finish(self) -> None:
        """Writes the summary and what makes the sheets one workbook."""
        self._end_sheet()
        self._add_summary()
        self._zip.add("xl/workbook.xml", xlsx_parts.workbook(self._sheets))
        self._zip.add("xl/_rels/workbook.xml.rels", xlsx_parts.workbook_relations(self._sheets))
        self._zip.add("[Content_Types].xml", xlsx_parts.content_types(self._sheets))
        self._zip.finish()

    def _begin_sheet(self) -> None:
        number = len(self._sheets) + 1
        self._rows_in_sheet = 0
        self._zip.begin(xlsx_parts.part_name(number))
        widths = [max(_WIDTHS[column.kind], len(column.name) + 4) for column in self._columns]
        header = "".join(text_cell(column.name, HEADER) for column in self._columns)
        head = xlsx_parts.sheet_head(widths, selected=number == 1)
        self._zip.write(f"{head}<row>{header}</row>".encode())

    def _end_sheet(self) -> None:
        number = len(self._sheets) + 1
        name = SHEET_NAME if number == 1 else f"{SHEET_NAME} {number}"
        sheet = Sheet(name, filtered=(len(self._columns), self._rows_in_sheet + 1))
        self._zip.write(xlsx_parts.sheet_tail(sheet).encode())
        self._zip.end()
        self._sheets.append(sheet)

    def _add_summary(self) -> None:
        sheet = Sheet(SUMMARY_NAME)
        head = xlsx_parts.sheet_head(_SUMMARY_WIDTHS, selected=False)
        rows = "".join(_summary_row(row) for row in self._summary)
        part = xlsx_parts.part_name(len(self._sheets) + 1)
        self._zip.add(part, head + rows + xlsx_parts.sheet_tail(sheet))
        self._sheets.append(sheet)

    def _row(self, row: Sequence[str]) -> str:
        """One row as XML.

        Nearly every row holds plain texts only: those are escaped all at once and put into the
        row's template, which is several times as fast as cell by cell.
        """
        cells = list(row)
        for i in self._dates:
            if day := cells[i]:
                number = day_number(day)
                if number is None:
                    return self._row_cell_by_cell(row)
                cells[i] = number
        for i in self._bools:
            if truth := cells[i]:
                cells[i] = "1" if truth == "true" else "0"
        joined = _SEPARATOR.join(cells)
        if not _is_plain(joined, "".join(cells)):
            return self._row_cell_by_cell(row)
        xml = self._template % tuple(escaped(joined).split(_SEPARATOR))
        for empty in _EMPTY_CELLS:
            xml = xml.replace(empty, EMPTY_CELL)
        return xml

    def _row_cell_by_cell(self, row: Sequence[str]) -> str:
        cells = (
            _ENCODERS[kind](text) if text else EMPTY_CELL
            for kind, text in zip(self._kinds, row, strict=True)
        )
        return f"<row>{''.join(cells)}</row>"


def _is_plain(joined: str, texts: str) -> bool:
    """Whether a row's texts need no more than escaping.

    Not so if one may be too long, holds characters that are not printable (control characters,
    line breaks, lone surrogates …) or could be read as an escape, or has a space at an end.
    """
    return (
        len(texts) * 2 <= LONGEST_TEXT
        and texts.isprintable()
        and "_x" not in texts
        and f" {_SEPARATOR}" not in joined
        and f"{_SEPARATOR} " not in joined
        and joined[:1] != " "
        and joined[-1:] != " "
    )


def _summary_row(row: SummaryRow) -> str:
    cells = "".join(_summary_cell(value, HEADER if row.heading else TEXT) for value in row.values)
    return f"<row>{cells}</row>"


def _summary_cell(value: SummaryValue, text_style: int) -> str:
    if isinstance(value, str):
        return text_cell(value, text_style)
    if isinstance(value, Decimal):
        return amount_cell(value)
    if isinstance(value, date):
        return date_cell(value.isoformat())
    return count_cell(value)
