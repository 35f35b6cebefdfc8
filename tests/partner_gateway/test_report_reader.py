"""The reader takes a report file, or says why not; nothing else happens (R53)."""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any

import openpyxl
import psutil
import pytest

from local_stack.places import PROJECT
from partner_gateway.report_files import xlsx_guard
from partner_gateway.report_files.kinds import Field, Kind, Status
from partner_gateway.report_files.reading import reading
from partner_gateway.report_files.refusal import RefusedError
from partner_gateway.report_files.report_format import OWN_FORMAT, ReportFormat
from partner_gateway.report_files.rows import SURPLUS
from partner_gateway.report_files.uploads import MAX_FILE_BYTES
from tests.partner_gateway.report_desk import as_csv, as_xlsx
from tests.partner_gateway.report_reading import (
    CASE,
    LIMITS,
    ROW,
    SMALL,
    TODAY,
    read_apart,
    refusal_of,
    rows_of,
    saved,
    with_shared_text,
    with_sheet,
)


async def test_the_process_says_what_its_functions_say() -> None:
    (row,) = await read_apart(SMALL)
    assert (row.row, str(row.case_id), row.day) == (2, CASE, date(2026, 3, 1))
    with pytest.raises(RefusedError) as refused:
        await read_apart(b"x")
    assert refused.value.reason == "Row 1 must hold the headings of the format"


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_separator_and_encoding_are_found_out(separator: str, encoding: str) -> None:
    row = {**ROW, "kind": "case.rejected", "reason_code": "UNKNOWN", "reason_text": "Müßig, fort"}
    (said,) = rows_of(as_csv(row, separator=separator, encoding=encoding))
    assert said["reason_text"] == "Müßig, fort"


def test_rows_are_counted_as_a_spreadsheet_counts_them() -> None:
    content = (
        b'case_id;kind;day;reason_text\r\n\r\n%b;case.closed;2026-03-01;"two\r\nlines"\r\n'
        b'%b;"case".closed;x\r\n%b;case.closed;x\r\n' % ((CASE.encode(),) * 3)
    )
    rows = rows_of(content)
    assert [(row["row"], len(row["faults"])) for row in rows] == [(3, 0), (4, 1), (5, 1)]
    workbook = openpyxl.Workbook()
    sheet: Any = workbook.active
    for at, values in ((3, ("case_id", "kind", "day")), (6, (CASE, "case.closed", "?"))):
        for column, value in enumerate(values, 2):
            sheet.cell(at, column, value)
    assert [row["row"] for row in rows_of(saved(workbook))] == [6]


PAYMENT = f"{CASE},payment.received,2026-11-20"


@pytest.mark.parametrize(
    ("headings", "row"),
    [
        ("case_id,kind,day,currency,amount", f"{PAYMENT},CHF,12,99"),
        ("case_id,kind,day,currency,amount,,", f"{PAYMENT},CHF,12,99,"),
        # Read as 12.00 under the reference 99, but for the empty cell at the end.
        ("case_id,kind,day,amount,partner_reference", f"{PAYMENT},12,99,"),
        ("case_id;kind;day;amount", f"{PAYMENT};12;99".replace(",", ";")),
    ],
)
def test_an_amount_that_was_split_is_not_cut(headings: str, row: str) -> None:
    whole = f"{headings}\r\n{row}\r\n"
    (said,) = rows_of(whole.encode())
    assert said == {"row": 2, "faults": [[None, SURPLUS]]}


def test_a_cell_beyond_the_headings_of_a_sheet_makes_its_row_bad() -> None:
    workbook = openpyxl.Workbook()
    sheet: Any = workbook.active
    for values in (list(ROW), list(ROW.values()), [*ROW.values(), None, 0.99]):
        sheet.append(values)
    assert [row["faults"] for row in rows_of(saved(workbook))] == [[], [[None, SURPLUS]]]


@pytest.mark.parametrize(
    "content",
    [
        f"case_id;kind;day\r\n{CASE};case.closed;2026-03-01;;\r\n",
        f"case_id,kind,day,\r\n{CASE},case.closed,2026-03-01,\r\n",
        f'case_id,kind,result_code,day\r\n{CASE},case.closed,,"2026-03-01"\r\n',
    ],
)
def test_empty_cells_at_the_end_harm_nothing(content: str) -> None:
    (said,) = rows_of(content.encode())
    assert (said["faults"], said["day"]) == ([], "2026-03-01")


def test_of_a_cell_that_is_too_long_just_that_is_said() -> None:
    long = "x" * 2_000_000
    rows = rows_of(as_csv({**ROW, "reason_text": long}, {**ROW, "reason_text": f"{long}; "}, ROW))
    assert [row["faults"] for row in rows] == [[[None, "A cell is too long"]]] * 2 + [[]]
    broken = "Cannot be read as CSV"
    (said,) = rows_of(b'case_id;kind\r\n"x"y;z\r\n')
    assert said["faults"][0][1].startswith(broken)


def test_cells_of_a_workbook_are_what_they_are() -> None:
    def read(**cells: Any) -> dict[str, Any]:
        (said,) = rows_of(as_xlsx({"case_id": CASE, "kind": "payment.received", **cells}))
        return said

    afternoon = datetime(2026, 3, 1, 14, 30)  # noqa: DTZ001 - cells have no time zone
    said = read(amount=1234.5, own_fees=3, day=afternoon, partner_reference=4711)
    assert not said["faults"]
    assert (said["amount"], said["own_fees"], said["day"], said["partner_reference"]) == (
        "1234.50",
        "3.00",
        "2026-03-01",
        "4711",
    )
    faults = read(amount=12.345, own_fees=True, day=46082, partner_reference=0.5)["faults"]
    assert [heading for heading, _ in faults] == ["amount", "own_fees", "day", "partner_reference"]
    # A formula that nobody has calculated is an empty cell.
    assert read(amount="=1+2", day="1.3.2026")["faults"] == [["amount", "Must not be empty"]]


def test_a_text_that_cells_share_is_read() -> None:
    shared = with_shared_text('<row r="1"><c r="A1" t="s"><v>0</v></c></row>', "Aktenzeichen")
    assert "must hold the headings" in refusal_of(shared)


def test_a_formula_counts_as_what_was_calculated_last() -> None:
    row = "".join(f'<c r="{letter}{{row}}" t="str">{{{letter}}}</c>' for letter in "ABCD")
    heads = row.format(
        row=1,
        **{
            a: f"<v>{b}</v>"
            for a, b in zip("ABCD", ("case_id", "kind", "amount", "day"), strict=True)
        },
    )
    values = row.format(
        row=2,
        A=f"<v>{CASE}</v>",
        B="<v>payment.received</v>",
        C="<f>1+2</f><v>3</v>",
        D="<v>1.3.2026</v>",
    )
    (said,) = rows_of(with_sheet(f'<row r="1">{heads}</row><row r="2">{values}</row>'))
    assert (said["amount"], said["faults"]) == ("3.00", [])


def test_the_first_sheet_that_can_be_seen_is_read() -> None:
    workbook = openpyxl.load_workbook(io.BytesIO(SMALL))
    hidden = workbook.create_sheet("Versteckt", 0)
    hidden.append(["case_id"])
    hidden.sheet_state = "hidden"
    assert len(rows_of(saved(workbook))) == 1


def test_a_partners_headings_must_all_be_there_and_others_are_left_alone() -> None:
    format_ = ReportFormat(
        columns={"case_id": "Fall Nr.", "day": "Datum"},
        fixed_kind="case.closed",
    )
    content = as_csv({"Name": "Müßig", " FALL   Nr. ": CASE, "Datum": "1.3.2026"})
    (said,) = rows_of(content, format_)
    assert (said["kind"], said["day"]) == ("case.closed", "2026-03-01")
    assert refusal_of(as_csv({"Fall Nr.": CASE}), format_) == "These headings are missing: Datum"


def test_the_page_says_what_the_code_does() -> None:
    page = (PROJECT / "docs" / "report-files.md").read_text("utf-8")
    for limit in (
        f"{MAX_FILE_BYTES // 1024**2} MB",
        f"{xlsx_guard.MAX_ROWS:,}",
        f"{xlsx_guard.MAX_CELLS:,}",
        f"{xlsx_guard.MAX_UNPACKED // 1024**2} MB, and {xlsx_guard.MAX_RATIO} times",
    ):
        assert limit in page
    first_cells = set(re.findall(r"^\| `([a-zA-Z_.-]+)` \|", page, re.MULTILINE))
    assert first_cells == {*Status, *Field, *Kind, *ReportFormat.model_fields}
    example = PROJECT / "services/partner-gateway/examples/report-files/own-format.csv"
    rows = rows_of(example.read_bytes())
    assert [row["kind"] for row in rows] == list(Kind)
    assert not any(row["faults"] for row in rows)


def test_no_reader_is_left_behind() -> None:
    async def cut_off() -> None:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 100_000
                await asyncio.sleep(0)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                async with reading(
                    endless(), OWN_FORMAT.reading(TODAY, is_own=True), LIMITS
                ) as found:
                    async for _ in found:
                        pass

    asyncio.run(cut_off())
    assert not children()


def children() -> Sequence[Any]:
    """Return the processes that this one has started and that still run as readers."""
    return [
        process
        for process in psutil.Process().children()
        if "report_files.reader" in " ".join(process.cmdline())
    ]
