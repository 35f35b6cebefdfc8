"""What the reader process reads rows from."""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Protocol

from partner_gateway.report_files.cells import Cell


class Unreadable(Enum):
    """Why a row of a CSV file has no cells."""

    BROKEN = (
        "Cannot be read as CSV: a cell with quotation marks in it stands in quotation marks, with "
        "each one in it doubled"
    )
    TOO_LONG = "A cell is too long"


Record = tuple[int, Sequence[Cell] | Unreadable]
"""Number as a spreadsheet counts, from 1 on, and the cells."""


class Table(Protocol):
    """The rows of a file, read in one way."""

    @property
    def rows_expected(self) -> int:
        """About how many rows there are."""

    def rows(self) -> Iterator[Record]:
        """Yield the rows that are not blank, from the first one on, as often as asked for."""
