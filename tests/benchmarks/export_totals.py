"""What the rows of exports add up to: in files, by other readers than ours, and in the database."""

import csv
import io
import os
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from python_calamine import CalamineWorkbook
from tests.benchmarks.many_rows import STUDIOS
from tests.benchmarks.service_process import ServiceProcess

from export_service.members.columns import columns
from export_service.rendering.language import Language
from export_service.runs.columns import COLUMNS

ROWS: Final = int(os.environ.get("ROWS", "100000"))
"""Rows of the run that is exported."""

_ROWS_OF_A_SHEET: Final = 500_000
_CLAIMS: Final = [column.name for column in COLUMNS]
_MEMBERS: Final = [column.name for column in columns(Language.EN)]

Rows = Iterable[Sequence[Any]]
Totals = Mapping[str, Sequence[Decimal]]
"""Of each currency how many rows there are, and what their amounts add up to."""


def read_csv(path: Path) -> Totals:
    """Add up a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return totals_of_claims(csv.reader(file))


def read_german(path: Path) -> Totals:
    """Add up a CSV file for Excel in Germany."""
    amount = _CLAIMS.index("Amount")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=";")
        return totals_of_claims(
            [*row[:amount], row[amount].replace(",", "."), *row[amount + 1 :]] for row in rows
        )


def read_zip(path: Path) -> Totals:
    """Add up an archive with a CSV file for each studio."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert len(names) == len(set(names)) == min(STUDIOS, ROWS)
        rows = [rows_of_one_studio(archive, name) for name in names]
        return totals_of_claims(chain.from_iterable(rows))


def read_xlsx(path: Path) -> Totals:
    """Add up all sheets of a workbook but the second; there the sums stand once more."""
    workbook = CalamineWorkbook.from_path(str(path))
    first, summary, *further = workbook.sheet_names
    sheets = [workbook.get_sheet_by_name(name) for name in (first, *further)]
    rows = [sheet.height - 1 for sheet in sheets]
    assert rows == [min(_ROWS_OF_A_SHEET, ROWS - done) for done in range(0, ROWS, _ROWS_OF_A_SHEET)]
    totals = totals_of_claims(chain.from_iterable(sheet.iter_rows() for sheet in sheets))
    told = {row[0]: row[1] for row in workbook.get_sheet_by_name(summary).to_python()}
    for currency, (_, total) in totals.items():
        assert Decimal(str(told[f"Summe ({currency})"])) == total
    return totals


def read_members(path: Path) -> Totals:
    """Add up the members overview."""
    sheet = CalamineWorkbook.from_path(str(path)).get_sheet_by_name("Members")
    return add_up(sheet.iter_rows(), _MEMBERS, "Handed over", "Collected", "Open")


def totals_of_claims(rows: Rows) -> Totals:
    """Add up the rows of a run."""
    return add_up(rows, _CLAIMS, "Amount")


def add_up(rows: Rows, headings: Sequence[str], *amounts: str) -> Totals:
    """Add up cells by their headings; these stand above the rows of each file or sheet."""
    currency, *places = (headings.index(name) for name in ("Currency", *amounts))
    in_order = iter(rows)
    assert list(next(in_order)) == headings
    totals: defaultdict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * (1 + len(amounts)))
    for row in in_order:
        if row != headings:
            sums = totals[row[currency]]
            sums[0] += 1
            for number, place in enumerate(places, start=1):
                sums[number] += Decimal(str(row[place]))
    return totals


def rows_of_one_studio(archive: zipfile.ZipFile, name: str) -> Iterator[list[str]]:
    """Read a file of an archive; all of its rows must be one studio's."""
    studio, first = _CLAIMS.index("ClientId"), None
    with archive.open(name) as file, io.TextIOWrapper(file, "utf-8", newline="") as lines:
        for number, row in enumerate(csv.reader(lines)):
            first = row[studio] if number == 1 else first
            assert number == 0 or row[studio] == first
            yield row


def claims_in_database(service: ServiceProcess, run_id: UUID) -> Totals:
    """Add up the rows of a run where they are kept."""
    first = _CLAIMS.index("VoucherId")
    amount, currency = (_CLAIMS.index(name) - first for name in ("Amount", "Currency"))
    found = service.rows(
        f"""
        SELECT claim->>{currency} AS currency, count(*) AS rows,
               sum(CAST(claim->>{amount} AS numeric)) AS amount
        FROM handover_rows
        CROSS JOIN json_array_elements(claims) AS claim
        WHERE run_id = $1 GROUP BY 1
        """,
        run_id,
    )
    return {row["currency"]: [row["rows"], row["amount"]] for row in found}


def members_in_database(service: ServiceProcess) -> Totals:
    """Add up the cases."""
    found = service.rows(
        """
        SELECT currency, count(*) AS rows, sum(handed_over) AS handed_over,
               sum(collected) AS collected, sum(coalesce(open, handed_over)) AS open
        FROM cases GROUP BY currency
        """
    )
    return {
        row["currency"]: [row["rows"], row["handed_over"], row["collected"], row["open"]]
        for row in found
    }
