"""LibreOffice opens our files, sees what was written, and computes nothing (R40, R41).

Not part of `make test`, for not every machine has it: `make test-libreoffice` runs these.
"""

import csv
import itertools
import re
import subprocess
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from tests.export_service import hard_values
from tests.export_service.sample_rows import plain_row, position

from export_service.rendering.csv_writer import CsvDialect, CsvWriter, guarded
from export_service.rendering.language import Language
from export_service.rendering.summary import SummaryRow
from export_service.rendering.xlsx_writer import SheetNames, XlsxWriter
from export_service.runs.columns import COLUMNS

# Separator, quotation mark, UTF-8 and the first row ("Filter Options for CSV", LibreOffice Help).
# When writing: everything as it is shown, and each sheet in a file of its own.
WRITE_CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,true,false,false,-1"
# When reading: the language, and what looks like a number or a date is one.
READ_CSV = {
    CsvDialect.STANDARD: "CSV:44,34,76,1,,1033,false,true",
    CsvDialect.GERMAN_EXCEL: "CSV:59,34,76,1,,1031,false,true",
}
TEXT, AMOUNT, DAY = "Designation", "Amount", "Birthdate"
DAYS = (*hard_values.DATES, *hard_values.DATES_AS_TEXT)


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings of its own: those of whoever runs the tests stay as they are."""
    return tmp_path_factory.mktemp("profile")


def convert(profile: Path, path: Path, to: str, *options: str) -> Path:
    """Lets LibreOffice open a file and save it as something else; returns the folder."""
    folder = path.parent / "converted"
    command = [
        "soffice",
        f"-env:UserInstallation={profile.as_uri()}",
        "--headless",
        *options,
        "--convert-to",
        to,
        "--outdir",
        str(folder),
        str(path),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder


def workbook(
    path: Path,
    rows: Sequence[Sequence[str]],
    summary: Sequence[SummaryRow] = (),
    rows_per_sheet: int = 500_000,
) -> Path:
    """Our workbook of these rows."""
    with path.open("wb") as file:
        names = SheetNames.of_claims(Language.DE)
        writer = XlsxWriter(file, COLUMNS, names, rows_per_sheet)
        writer.add(rows)
        writer.finish(summary)
    return path


def read(path: Path) -> list[list[str]]:
    """Records of a CSV file that LibreOffice has written, without the header."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *records = csv.reader(file)
    assert header == [column.name for column in COLUMNS]
    return records


def hard_rows() -> list[list[str]]:
    """Rows with each value that breaks writers."""
    amounts = itertools.cycle(hard_values.AMOUNTS)
    days = itertools.cycle(DAYS)
    return [
        plain_row(**{TEXT: text, AMOUNT: next(amounts), DAY: next(days)})
        for text in hard_values.TEXTS
    ]


def shown(day: str) -> str:
    """A date of ours as the workbook shows it."""
    year, month, day_of_month = day.split("-")
    return day if day in hard_values.DATES_AS_TEXT else f"{day_of_month}.{month}.{year}"


def test_every_value_of_a_workbook_is_what_was_given(profile: Path, tmp_path: Path) -> None:
    """R41: texts are unchanged, or by the rule; a CR is shown as the line break that it is."""
    path = workbook(tmp_path / "hard.xlsx", hard_rows())
    records = read(convert(profile, path, WRITE_CSV) / "hard-Forderungen.csv")
    assert [record[position(TEXT)] for record in records] == [
        re.sub("\r\n|\r", "\n", text) for text in hard_values.TEXTS.values()
    ]
    amounts = [record[position(AMOUNT)] for record in records[: len(hard_values.AMOUNTS)]]
    assert amounts == [f"{Decimal(amount):,.2f}" for amount in hard_values.AMOUNTS]
    days = [record[position(DAY)] for record in records[: len(DAYS)]]
    assert days == [shown(day) for day in DAYS]


def test_nothing_in_a_workbook_computes(profile: Path, tmp_path: Path) -> None:
    """R41."""
    path = workbook(tmp_path / "hard.xlsx", hard_rows())
    document = convert(profile, path, "fods") / "hard.fods"
    assert "table:formula" not in document.read_text("utf-8")


def test_all_sheets_of_a_workbook_open(profile: Path, tmp_path: Path) -> None:
    """R41: what does not fit into one sheet stands in the next; the summary is the second."""
    rows = [plain_row(MembershipNr=f"{number:05}") for number in range(7)]
    summary = [SummaryRow(("=Lauf", "2026-000001"), heading=True), SummaryRow(("Forderungen", 7))]
    path = workbook(tmp_path / "sheets.xlsx", rows, summary, rows_per_sheet=3)
    folder = convert(profile, path, WRITE_CSV)
    sheets = [folder / f"sheets-Forderungen{number}.csv" for number in ("", " 2", " 3")]
    found = [record[position("MembershipNr")] for sheet in sheets for record in read(sheet)]
    assert found == [f"{number:05}" for number in range(7)]
    sums = (folder / "sheets-Zusammenfassung.csv").read_text()
    assert sums == "=Lauf,2026-000001\nForderungen,7\n"


@pytest.mark.parametrize("dialect", CsvDialect)
def test_nothing_in_a_csv_file_computes(profile: Path, tmp_path: Path, dialect: CsvDialect) -> None:
    """R41: guarded texts are texts with an apostrophe, amounts are numbers, dates are dates."""
    rows = hard_rows()
    with (tmp_path / "hard.csv").open("wb") as file:
        CsvWriter(file, COLUMNS, dialect).add(rows)
    convert(profile, tmp_path / "hard.csv", "xlsx", f"--infilter={READ_CSV[dialect]}")
    book = openpyxl.load_workbook(tmp_path / "converted" / "hard.xlsx")
    header, *cells = book.worksheets[0].iter_rows()
    assert [cell.value for cell in header] == [column.name for column in COLUMNS]
    assert len(cells) == len(rows)
    assert not [cell for row in cells for cell in row if cell.data_type == "f"]
    for row, found in zip(rows, cells, strict=True):
        text = guarded(row[position(TEXT)])
        if text.startswith("'") and text.isprintable():
            assert found[position(TEXT)].value == text
        assert f"{found[position(AMOUNT)].value:.2f}" == row[position(AMOUNT)]
    assert isinstance(cells[0][position(DAY)].value, datetime)
