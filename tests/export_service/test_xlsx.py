"""Excel: two readers that are not ours see what was written, typed and never live (R40, R41)."""

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.worksheet import Worksheet
from python_calamine import CalamineWorkbook

from export_service.rendering.columns import Column, Kind
from export_service.rendering.language import Language
from export_service.rendering.summary import SummaryRow
from export_service.rendering.xlsx_cells import column_letters
from export_service.rendering.xlsx_writer import SheetNames, XlsxWriter
from export_service.runs.columns import COLUMNS
from tests.export_service import hard_values, sample_rows
from tests.export_service.pipe import Pipe
from tests.export_service.sample_rows import COLUMNS_OF_EACH_KIND, plain_row, position

FIRST_RIGHT_DAY = "1900-03-01"
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def written(
    rows: Sequence[Sequence[str]],
    columns: Sequence[Column] = COLUMNS,
    summary: Sequence[SummaryRow] = (),
    rows_per_sheet: int = 500_000,
) -> bytes:
    """The bytes of a whole workbook, written in two batches."""
    output = Pipe()
    writer = XlsxWriter(output, columns, SheetNames.of_claims(Language.DE), rows_per_sheet)
    writer.add(rows[:1])
    writer.add(rows[1:])
    writer.finish(summary)
    return bytes(output.content)


def sheet_of(content: bytes, index: int = 0) -> Worksheet:
    """A sheet as openpyxl sees it."""
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[index]
    assert isinstance(sheet, Worksheet)
    return sheet


def expected(kind: Kind, text: str) -> object:
    """What a reader is to find in a cell."""
    if text == "":
        return None
    match kind:
        case Kind.DATE if text >= FIRST_RIGHT_DAY:
            return midnight(text)
        case Kind.DECIMAL:
            return Decimal(text)
        case _:
            return FORBIDDEN.sub("\ufffd", text)


def midnight(day: str) -> datetime:
    """A date as openpyxl gives it."""
    return datetime.fromisoformat(day)


def amount(value: object) -> object:
    """A number as an amount of whole cents; anything else as it is."""
    if isinstance(value, int | float):
        return Decimal(str(value)).quantize(Decimal("0.01"))
    return value


@given(sample_rows.rows, st.sampled_from([1, 6]))
@settings(max_examples=75, deadline=None)
def test_all_kinds_of_text_go_through_and_back(rows: list[tuple[str, ...]], times: int) -> None:
    """R41: openpyxl and calamine see the same, and what was meant; also of texts that repeat."""
    kinds = [column.kind for column in COLUMNS_OF_EACH_KIND]
    # The last row is plain, for readers leave out empty rows at the end.
    rows = [*rows * times, tuple(sample_rows.PLAIN[kind] for kind in kinds)]
    content = written(rows, COLUMNS_OF_EACH_KIND)
    wanted = [[expected(kind, text) for kind, text in zip(kinds, row, strict=True)] for row in rows]
    by_openpyxl = [[amount(cell.value) for cell in row] for row in sheet_of(content).iter_rows(2)]
    assert by_openpyxl == wanted

    sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
    by_calamine = [[amount(value) for value in row] for row in sheet.to_python()[1:]]
    assert by_calamine == [[as_calamine_has_it(value) for value in row] for row in wanted]


def as_calamine_has_it(value: object) -> object:
    """Nothing is an empty text, and a date has no time."""
    match value:
        case None:
            return ""
        case datetime():
            return value.date()
    return value


@pytest.mark.parametrize("times", [1, 6])
def test_no_value_breaks_the_file_or_is_live(times: int) -> None:
    """R41: all texts are inline strings of format @, also those that repeat; nothing computes."""
    texts = list(hard_values.TEXTS) * times
    content = written([plain_row(DebtorName1=text, Designation=text) for text in texts])
    rows = list(sheet_of(content).iter_rows(2))
    calamine = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    for name in ("DebtorName1", "Designation"):
        cells = [row[position(name)] for row in rows]
        assert [cell.value for cell in cells] == list(hard_values.TEXTS.values()) * times
        assert {(cell.data_type, cell.number_format) for cell in cells} == {("s", "@")}
        assert all(cell.quotePrefix for cell in cells)
        found = [row[position(name)] for row in calamine[1:]]
        assert found == list(hard_values.TEXTS.values()) * times
    assert b"<f" not in sheet_xml(content)


def sheet_xml(content: bytes) -> bytes:
    """The first sheet's part as it stands in the archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return archive.read("xl/worksheets/sheet1.xml")


def test_amounts_are_numbers_with_exactly_their_cents() -> None:
    """R41."""
    amounts = list(hard_values.AMOUNTS)
    content = written([plain_row(Amount=text) for text in amounts])
    cells = [row[position("Amount")] for row in sheet_of(content).iter_rows(2)]
    assert [cell.data_type for cell in cells] == ["n"] * len(amounts)
    assert {cell.number_format for cell in cells} == {"#,##0.00"}
    assert [f"{Decimal(str(cell.value)):.2f}" for cell in cells] == amounts
    for text in amounts:
        assert f"<v>{text}</v>".encode() in sheet_xml(content)


def test_dates_are_dates_and_days_that_excel_gets_wrong_are_texts() -> None:
    """R41: Excel believes in a 29 February 1900, and in nothing before that year."""
    days = [*hard_values.DATES, *hard_values.DATES_AS_TEXT]
    content = written([plain_row(Birthdate=day) for day in days])
    cells = [row[position("Birthdate")] for row in sheet_of(content).iter_rows(2)]
    expected_values = [*map(midnight, hard_values.DATES), *hard_values.DATES_AS_TEXT]
    assert [cell.value for cell in cells] == expected_values
    assert cells[0].number_format == r"dd\.mm\.yyyy"


def test_the_header_is_bold_and_frozen_and_filters_all_rows() -> None:
    """R40."""
    sheet = sheet_of(written([plain_row(), plain_row()]))
    assert [cell.value for cell in sheet[1]] == [column.name for column in COLUMNS]
    assert all(cell.font.b for cell in sheet[1])
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:BI3"


@pytest.mark.parametrize(("length", "width"), [(1, 15), (30, 30), (300, 50)])
def test_a_column_is_as_wide_as_its_heading_and_its_texts(length: int, width: int) -> None:
    """R40: but for long texts, which would push all others out of sight."""
    sheet = sheet_of(written([plain_row(Designation="x" * length)]))
    letters = column_letters(position("Designation") + 1)
    assert sheet.column_dimensions[letters].width == width


def test_rows_beyond_a_sheets_limit_begin_the_next_sheet() -> None:
    """R41: each sheet has the header, its filter, and its share of the rows."""
    rows = [plain_row(MembershipNr=f"{number:05}") for number in range(7)]
    content = written(rows, summary=[SummaryRow(("Sums",))], rows_per_sheet=3)
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    assert book.sheet_names == [
        "Forderungen",
        "Zusammenfassung",
        "Forderungen 2",
        "Forderungen 3",
    ]
    found = [book.get_sheet_by_index(index).to_python() for index in (0, 2, 3)]
    assert [len(sheet) - 1 for sheet in found] == [3, 3, 1]
    numbers = [row[position("MembershipNr")] for sheet in found for row in sheet[1:]]
    assert numbers == [f"{number:05}" for number in range(7)]
    filters = [sheet_of(content, index).auto_filter.ref for index in range(4)]
    assert filters == ["A1:BI4", None, "A1:BI4", "A1:BI2"]
    assert sheet_of(content, 1)["A1"].value == "Sums"


def test_a_full_sheet_is_followed_by_no_empty_one() -> None:
    content = written([plain_row()] * 4, rows_per_sheet=2)
    assert len(CalamineWorkbook.from_filelike(io.BytesIO(content)).sheet_names) == 3


def test_a_sheet_that_has_grown_too_large_takes_no_further_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R41: no sheet comes near the size that needs ZIP64, however long its texts are."""
    monkeypatch.setattr("export_service.rendering.xlsx_writer.SHEET_BYTES", 20_000)
    content = written([plain_row(Designation="x" * 20_000), plain_row(), plain_row()])
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    assert [len(book.get_sheet_by_index(index).to_python()) for index in (0, 2)] == [2, 3]


def test_the_same_rows_give_the_same_bytes() -> None:
    assert written([plain_row()]) == written([plain_row()])
