"""The rows of a workbook's first sheet; the file was guarded before."""

import io
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from python_calamine import CalamineError, SheetTypeEnum, SheetVisibleEnum, load_workbook

from partner_gateway.report_files.cells import Cell
from partner_gateway.report_files.refusal import RefusedError
from partner_gateway.report_files.table import Record
from partner_gateway.report_files.xlsx_guard import BROKEN


class XlsxTable:
    """The first sheet that can be seen. Of a formula the value that was last calculated counts."""

    def __init__(self, content: bytes) -> None:
        """Take a whole file; raises `RefusedError` for what is no workbook with a sheet."""
        try:
            workbook = load_workbook(io.BytesIO(content))
            names = [
                sheet.name
                for sheet in workbook.sheets_metadata
                if sheet.typ == SheetTypeEnum.WorkSheet
                and sheet.visible == SheetVisibleEnum.Visible
            ]
            if not names:
                raise RefusedError("The workbook has no sheet that can be seen")
            self._sheet = workbook.get_sheet_by_name(names[0])
        except (CalamineError, ValueError):
            raise RefusedError(BROKEN) from None

    @property
    def rows_expected(self) -> int:
        """About how many rows there are."""
        return self._sheet.height

    def rows(self) -> Iterator[Record]:
        """Yield the rows that are not blank."""
        # From the first row of the sheet on, though not from its first column.
        for number, values in enumerate(self._sheet.iter_rows(), 1):
            cells = [_cell(value) for value in values]
            if any(cell is not None for cell in cells):
                yield number, cells


def _cell(value: Any) -> Cell:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, float | int):
        return Decimal(repr(value))  # the digits that the cell was written with
    # A time of day or a span is no day and no amount: as a text no column takes it.
    return value if isinstance(value, date) else str(value)
