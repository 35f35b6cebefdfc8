"""Reads exported files with readers of their own, to see whether they hold what they must."""

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from uuid import UUID

import openpyxl

from local_stack.figures import Figures, Totals
from local_stack.processes import LocalStackError

_CENT = Decimal("0.01")


@dataclass(frozen=True)
class ExportFile:
    """What stands in the export of a run."""

    columns: tuple[str, ...]
    figures: Figures
    studio_ids: frozenset[UUID]


@dataclass(frozen=True)
class Overview:
    """What stands in the members overview."""

    cases: int
    handed_over: Totals
    open: Totals


def read_csv(path: Path) -> ExportFile:
    """A run in CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        return _export_file(csv.reader(file))


def read_xlsx(path: Path) -> ExportFile:
    """A run in Excel's format."""
    return _export_file(_rows_of_sheets(path, "Forderungen"))


def read_zip(path: Path) -> Mapping[UUID, ExportFile]:
    """A run in CSV, by studio; LocalStackError if a studio has not a file of its own."""
    found: dict[UUID, ExportFile] = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                content = _export_file(csv.reader(io.TextIOWrapper(file, "utf-8", newline="")))
            if len(content.studio_ids) != 1 or content.studio_ids <= found.keys():
                raise LocalStackError(f"{name} in {path.name} is not the file of one studio")
            (studio_id,) = content.studio_ids
            found[studio_id] = content
    return found


def read_overview(path: Path) -> Overview:
    """The members overview in Excel's format, in English."""
    rows = _rows_of_sheets(path, "Members")
    columns = list(next(rows))
    currency, *amounts = (columns.index(name) for name in ("Currency", "Handed over", "Open"))
    count = 0
    sums: tuple[dict[str, Decimal], dict[str, Decimal]] = ({}, {})
    for row in rows:
        count += 1
        for totals, place in zip(sums, amounts, strict=True):
            _add(totals, row[currency], row[place])
    return Overview(count, *sums)


def _export_file(rows: Iterator[Sequence[object]]) -> ExportFile:
    columns = tuple(str(cell) for cell in next(rows))
    case, amount, currency, studio = (
        columns.index(name) for name in ("CaseId", "Amount", "Currency", "ClientId")
    )
    cases: set[object] = set()
    studios: set[object] = set()
    claims = 0
    totals: dict[str, Decimal] = {}
    for row in rows:
        cases.add(row[case])
        studios.add(row[studio])
        claims += 1
        _add(totals, row[currency], row[amount])
    figures = Figures(len(cases), claims, totals)
    return ExportFile(columns, figures, frozenset(UUID(str(each)) for each in studios))


def _rows_of_sheets(path: Path, name: str) -> Iterator[Sequence[object]]:
    """The header, and then the rows of a sheet and of those that go on with it: "<name> 2" …"""
    workbook = openpyxl.load_workbook(path, read_only=True)
    try:
        sheets = [sheet for sheet in workbook.worksheets if sheet.title.startswith(name)]
        for number, sheet in enumerate(sheets):
            yield from islice(sheet.iter_rows(values_only=True), min(number, 1), None)
    finally:
        workbook.close()


def _add(totals: dict[str, Decimal], currency: object, amount: object) -> None:
    # A spreadsheet holds floats; each stands for whole cents.
    name, cents = str(currency), Decimal(str(amount)).quantize(_CENT)
    totals[name] = totals.get(name, Decimal(0)) + cents
