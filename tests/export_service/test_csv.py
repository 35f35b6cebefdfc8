"""CSV: what is written is read again, and opens in a spreadsheet without a formula (R40, R41)."""

import csv
import io
import re
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from export_service.rendering.columns import Column, Kind
from export_service.rendering.csv_writer import CsvDialect, CsvWriter, guarded, guarded_phones
from export_service.runs.columns import COLUMNS
from tests.export_service import sample_rows
from tests.export_service.sample_rows import COLUMNS_OF_EACH_KIND, plain_row, position

TRIGGERS = "=+-@\t\r\n＝＋－＠"
PHONES = re.compile(r"\+[0-9 ]+(,\+?[0-9 ]+)*")


def written(
    rows: Sequence[Sequence[str]],
    columns: Sequence[Column] = COLUMNS,
    dialect: CsvDialect = CsvDialect.STANDARD,
    guarded: bool = True,
) -> bytes:
    """The bytes of a whole file, written in two batches."""
    output = io.BytesIO()
    writer = CsvWriter(output, columns, dialect, guarded)
    writer.add(rows[:1])
    writer.add(rows[1:])
    return output.getvalue()


def read(content: bytes, dialect: CsvDialect = CsvDialect.STANDARD) -> list[list[str]]:
    """The file's records, read by the rules; of the German variant those of Excel."""
    text = content.decode()
    delimiter = ","
    if dialect is CsvDialect.GERMAN_EXCEL:
        text = text.removeprefix("\ufeff")
        delimiter = ";"
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))


def unguarded(text: str) -> str:
    """The text as it was, by the rule that csv_writer states."""
    return text[1:] if re.match(f"'+[{re.escape(TRIGGERS)}]", text) else text


def replaced(text: str) -> str:
    """The text with its lone surrogates replaced: no encoding can write them."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


@given(sample_rows.rows, st.sampled_from(CsvDialect), st.booleans())
def test_all_kinds_of_text_go_through_and_back(
    rows: list[tuple[str, ...]], dialect: CsvDialect, guarded: bool
) -> None:
    """R41."""
    content = written(rows, COLUMNS_OF_EACH_KIND, dialect, guarded)
    header, *records = read(content, dialect)
    assert header == [column.name for column in COLUMNS_OF_EACH_KIND]
    found = [
        [
            as_given(column.kind, text, dialect, guarded)
            for column, text in zip(COLUMNS_OF_EACH_KIND, record, strict=True)
        ]
        for record in records
    ]
    assert found == [[replaced(text) for text in row] for row in rows]


@given(sample_rows.rows)
def test_without_the_guard_the_file_is_that_of_the_csv_module(rows: list[tuple[str, ...]]) -> None:
    """R40: RFC 4180 as all the world writes it."""
    expected = io.StringIO(newline="")
    header = tuple(column.name for column in COLUMNS_OF_EACH_KIND)
    csv.writer(expected).writerows([header, *rows])
    content = written(rows, COLUMNS_OF_EACH_KIND, guarded=False)
    assert content.decode() == replaced(expected.getvalue())


def as_given(kind: Kind, text: str, dialect: CsvDialect, guarded: bool) -> str:
    """What was written, by what stands in the file."""
    if kind is Kind.DECIMAL and dialect is CsvDialect.GERMAN_EXCEL:
        return text.replace(",", ".")
    return unguarded(text) if kind in (Kind.TEXT, Kind.PHONES) and guarded else text


@given(sample_rows.texts)
@example("'=1")
@example("''=1")
@example("'+49 30 1")
def test_the_apostrophe_can_be_taken_off_without_guessing(text: str) -> None:
    assert unguarded(guarded(text)) == text


@given(st.sampled_from(TRIGGERS), st.text())
def test_no_free_text_begins_as_a_formula(trigger: str, rest: str) -> None:
    """R41: but for phone numbers of digits and blanks in their columns; nothing computes."""
    text = trigger + rest
    assert guarded(text) == "'" + text
    assert guarded_phones(text) == (text if PHONES.fullmatch(text) else "'" + text)


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://example.org","Beleg")',
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1",
        "＋1",
        "－1",
        "＠A1",
        "+49-30-123",
        "+49 30 123",
        "+1,5",
        "+49 30 1\n=1",
    ],
)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    """R41."""
    for name in ("DebtorName1", "Designation", "LatestRejectionReason", "DebtorIBAN"):
        _, record = read(written([plain_row(**{name: text})]))
        assert record[position(name)] == "'" + text


@pytest.mark.parametrize(
    "text",
    ["+491701234567", "+49 351 1234,+49 351 5678", "000123", "Müller", "a=b", " =1", "O'Neil"],
)
def test_harmless_texts_stay_as_they_are(text: str) -> None:
    """R41: phone numbers and leading zeros."""
    _, record = read(written([plain_row(DebtorContactNumbers=text)]))
    assert record[position("DebtorContactNumbers")] == text


def test_amounts_dates_and_truth_values_are_bare() -> None:
    _, record = read(written([plain_row(Amount="-3.33", VoucherDate="2026-03-02")]))
    assert record[position("Amount")] == "-3.33"
    assert record[position("VoucherDate")] == "2026-03-02"
    assert record[position("PreTaxAttribute")] == "true"


def test_the_file_follows_rfc_4180() -> None:
    row = plain_row(DebtorName1='a "b", c\r\nd')
    content = written([row]).decode()
    assert content.startswith("TransferId,CollectionDate,")
    assert '"a ""b"", c\r\nd"' in content
    assert content.endswith("\r\n")
    assert content.count("\r\n") == 3  # of the header, the row, and in the text


def test_excel_in_germany_opens_its_variant_by_a_double_click() -> None:
    """R40: byte order mark, semicolons and decimal commas; a text is split by neither."""
    row = plain_row(Amount="-1234.50", Designation="=a;b,c", DebtorName1="Groß", VoucherDate="")
    content = written([row], dialect=CsvDialect.GERMAN_EXCEL)
    assert content.startswith(b"\xef\xbb\xbfTransferId;CollectionDate;")
    _, record = read(content, CsvDialect.GERMAN_EXCEL)
    assert record[position("Amount")] == "-1234,50"
    assert record[position("Designation")] == "'=a;b,c"
    assert b';"\'=a;b,c";' in content
    assert record[position("DebtorName1")] == "Groß"
    assert record[position("VoucherDate")] == ""


def test_programs_can_have_every_text_as_it_is() -> None:
    """R41: without the guard."""
    row = plain_row(DebtorName1="=1+1", Designation="'=1", DebtorContactNumbers="+49-30")
    _, record = read(written([row], guarded=False))
    assert record == row


def test_a_run_without_rows_has_its_headings() -> None:
    assert read(written([])) == [[column.name for column in COLUMNS]]
