"""Reads exported files with readers of their own, to see whether they hold what they must."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import openpyxl

from local_stack.figures import Figures

_SHEET = "Forderungen"


@dataclass(frozen=True)
class ExportFile:
    """What stands in an export."""

    columns: tuple[str, ...]
    figures: Figures


def read_csv(path: Path) -> ExportFile:
    """The export in CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        return _export_file(csv.reader(file))


def read_xlsx(path: Path) -> ExportFile:
    """The export in Excel's format."""
    workbook = openpyxl.load_workbook(path, read_only=True)
    try:
        return _export_file(iter(workbook[_SHEET].iter_rows(values_only=True)))
    finally:
        workbook.close()


def _export_file(rows: Iterator[Sequence[object]]) -> ExportFile:
    columns = tuple(str(cell) for cell in next(rows))
    case, amount, currency = (columns.index(name) for name in ("CaseId", "Amount", "Currency"))
    cases: set[object] = set()
    claims = 0
    totals: dict[str, Decimal] = {}
    for row in rows:
        cases.add(row[case])
        claims += 1
        # A spreadsheet holds floats; each stands for whole cents.
        cents = Decimal(str(row[amount])).quantize(Decimal("0.01"))
        name = str(row[currency])
        totals[name] = totals.get(name, Decimal(0)) + cents
    return ExportFile(columns, Figures(len(cases), claims, totals))
