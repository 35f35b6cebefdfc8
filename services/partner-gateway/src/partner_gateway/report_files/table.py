"""What the reader process reads rows from."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from partner_gateway.report_files.cells import Cell

Record = tuple[int, Sequence[Cell] | None]
"""Number as a spreadsheet counts, from 1 on, and the cells; None where the row is no CSV."""


class Table(Protocol):
    """The rows of a file, read in one way."""

    @property
    def rows_expected(self) -> int:
        """About how many rows there are."""

    def rows(self) -> Iterator[Record]:
        """Yield the rows that are not blank, from the first one on, as often as asked for."""
