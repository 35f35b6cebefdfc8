"""The reader takes a report file, or says why not; nothing else happens (R53)."""

import asyncio
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, datetime
from typing import Any

import openpyxl
import psutil
import pytest

from local_stack.places import PROJECT
from partner_gateway.report_files import reader, xlsx_guard
from partner_gateway.report_files.kinds import Field, Kind, Status
from partner_gateway.report_files.reading import DIED, ReaderLimits, ReadRow, reading
from partner_gateway.report_files.refusal import NO_FORMAT, RefusedError
from partner_gateway.report_files.report_format import OWN_FORMAT, ReportFormat
from partner_gateway.report_files.rows import SURPLUS, Reading
from partner_gateway.report_files.uploads import MAX_FILE_BYTES
from tests.partner_gateway.report_desk import as_csv, as_xlsx

TODAY = date(2026, 11, 23)
CASE = "0198c0de-0000-7000-8000-000000000001"
ROW = {"case_id": CASE, "kind": "case.closed", "day": "2026-03-01"}
LIMITS = ReaderLimits(256 * 1024 * 1024, 30)


def rows_of(content: bytes, format_: ReportFormat | None = None) -> list[dict[str, Any]]:
    """Read a file in this process; raises `RefusedError`."""
    how = (format_ or OWN_FORMAT).reading(TODAY, is_own=format_ is None)
    target = io.BytesIO()
    reader._read(content, Reading.from_json(dict(how)), target)
    lines = [json.loads(line) for line in target.getvalue().splitlines()]
    return [line for line in lines if "row" in line]


async def read_apart(content: bytes, limits: ReaderLimits = LIMITS) -> list[ReadRow]:
    """Read a file in a process of its own."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    found: list[ReadRow] = []
    async with reading(pieces(), OWN_FORMAT.reading(TODAY, is_own=True), limits) as batches:
        async for batch in batches:
            found += batch.rows
    return found


def refusal_of(content: bytes, format_: ReportFormat | None = None) -> str:
    """Return why a file is refused."""
    with pytest.raises(RefusedError) as refused:
        rows_of(content, format_)
    return refused.value.reason


def repacked(
    content: bytes,
    changed: dict[str, bytes | None] | None = None,
    method: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """Return a workbook with other parts; None takes a part away."""
    changed = changed or {}
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(output, "w", method) as new:
        for name in old.namelist():
            if name not in changed:
                new.writestr(name, old.read(name))
        for name, part in changed.items():
            if part is not None:
                new.writestr(name, part)
    return output.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
SMALL = as_xlsx(ROW)


def with_sheet(data: str, before: str = "") -> bytes:
    """Return a workbook with this XML as its only sheet."""
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    xml = f'{before}<worksheet xmlns="{namespace}"><sheetData>{data}</sheetData></worksheet>'
    return repacked(SMALL, {SHEET: xml.encode()})


RELATIONSHIPS = b"<Relationships>%b</Relationships>"
TO_A_PICTURE = RELATIONSHIPS % b'<Relationship Type="x/worksheet" Target="a.png"/>'


def cell(reference: str) -> str:
    """Return a cell with a text in it."""
    return f'<c r="{reference}" t="inlineStr"><is><t>x</t></is></c>'


def with_directory(content: bytes, change: Callable[[bytearray, int], None]) -> bytes:
    """Return a zip in which the directory's entry of the sheet says something else."""
    changed = bytearray(content)
    entry = [found.start() for found in re.finditer(b"PK\x01\x02", content)]
    for start in entry:
        name_size = struct.unpack_from("<H", content, start + 28)[0]
        if content[start + 46 : start + 46 + name_size] == SHEET.encode():
            change(changed, start)
    return bytes(changed)


def lying_about_its_size(content: bytes) -> bytes:
    """Say that the sheet ends where it does not, with the checksum of that part."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        beginning = archive.read(SHEET)[:100]

    def change(changed: bytearray, start: int) -> None:
        struct.pack_into("<I", changed, start + 16, zlib.crc32(beginning))
        struct.pack_into("<I", changed, start + 24, len(beginning))

    return with_directory(content, change)


def wrong_checksum(content: bytes) -> bytes:
    """Say another checksum."""
    return with_directory(
        content, lambda changed, start: struct.pack_into("<I", changed, start + 16, 7)
    )


def encrypted(content: bytes) -> bytes:
    """Say that the sheet is encrypted."""
    return with_directory(
        content, lambda changed, start: struct.pack_into("<H", changed, start + 8, 1)
    )


def zipped(content: bytes) -> bytes:
    """Return a zip with a file in it."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("bericht.xlsx", content)
    return output.getvalue()


def many_sheets(count: int) -> bytes:
    """Return a workbook with more parts than one has."""
    return repacked(SMALL, {f"xl/worksheets/other{number}.xml": b"<a/>" for number in range(count)})


LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
UTF_16 = '<?xml version="1.0" encoding="UTF-16"?>'
BOMBS: dict[str, tuple[bytes, str]] = {
    "ratio": (with_sheet(" " * 30_000_000), "more than 200 times"),
    "unpacked size": (
        repacked(SMALL, {f"xl/media/{n}.bin": bytes(1_000_000) for n in range(300)}),
        "more than 256 MB",
    ),
    "one far cell": (
        with_sheet(f'<row r="1">{cell("A1")}</row><row r="1048576">{cell("XFD1048576")}</row>'),
        xlsx_guard.TOO_LARGE_AREA,
    ),
    "a far cell in a near row": (
        with_sheet(f'<row r="1">{cell("A1")}{cell("A1048576")}</row>'),
        xlsx_guard.TOO_LARGE_AREA,
    ),
    "a wide cell": (with_sheet(f'<row r="1">{cell("ZZZ1")}</row>'), xlsx_guard.TOO_LARGE_AREA),
    "a large area": (
        with_sheet(f'<row r="1">{cell("IV1")}</row><row r="199999">{cell("A199999")}</row>'),
        xlsx_guard.TOO_LARGE_AREA,
    ),
    "rows that only count": (
        with_sheet(f'<row r="1048575"/><row>{cell("A1")[:3]} t="n"><v>1</v></c></row>'),
        xlsx_guard.TOO_LARGE_AREA,
    ),
    "references that are none": (with_sheet(f"<row>{cell('A1A')}</row>"), xlsx_guard.BROKEN),
    "entities": (with_sheet("", LAUGHS), "entities"),
    "entities elsewhere": (
        repacked(SMALL, {"xl/sharedStrings.xml": f"{LAUGHS}<sst/>".encode()}),
        "entities",
    ),
    "entities in UTF-16": (
        repacked(
            SMALL,
            {"xl/sharedStrings.xml": f"{UTF_16}{LAUGHS}<sst/>".encode("utf-16")},
        ),
        xlsx_guard.BROKEN,
    ),
    "many parts": (many_sheets(xlsx_guard.MAX_PARTS), "more than 1000 parts"),
    "truncated": (SMALL[:-200], xlsx_guard.BROKEN),
    "truncated in the middle": (SMALL[:1000], xlsx_guard.BROKEN),
    "something behind it": (SMALL + b"x", xlsx_guard.BROKEN),
    "something before it": (SMALL[:4] + b"xx" + SMALL[4:], xlsx_guard.BROKEN),
    "wrong checksum": (wrong_checksum(SMALL), xlsx_guard.BROKEN),
    "wrong size": (lying_about_its_size(SMALL), xlsx_guard.BROKEN),
    "encrypted part": (encrypted(SMALL), "without a password"),
    "packed in another way": (repacked(SMALL, method=zipfile.ZIP_LZMA), "packed in a way"),
    "zip in a zip": (zipped(SMALL), xlsx_guard.STRANGE_PARTS),
    "a sheet by another name": (
        repacked(SMALL, {"xl/_rels/workbook.xml.rels": TO_A_PICTURE}),
        xlsx_guard.STRANGE_PARTS,
    ),
    "broken XML": (
        repacked(SMALL, {SHEET: b"<worksheet><sheetData></worksheet>"}),
        xlsx_guard.BROKEN,
    ),
    "macros": (repacked(SMALL, {"xl/vbaProject.bin": b"x"}), "macros"),
    "a document": (repacked(SMALL, {"[Content_Types].xml": b"<Types/>"}), NO_FORMAT),
    "an old workbook": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "Save the workbook as .xlsx",
    ),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00", NO_FORMAT),
    "UTF-16": ("case_id;kind".encode("utf-16"), "UTF-16"),
    "nothing": (b" \r\n;;\r\n", "is empty"),
    "an empty sheet": (with_sheet(""), "is empty"),
    "no headings": (b"Anna;Muster\r\n1;2\r\n", "must hold the headings"),
    "only headings": (b"case_id;kind\r\n\r\n", "no rows below"),
    "only headings in a sheet": (as_xlsx({"case_id": None, "kind": None}), "no rows below"),
    "a heading twice": (b"case_id;kind;KIND\r\na;b;c\r\n", "more than once: kind"),
    "no kind": (b"case_id;amount\r\na;b\r\n", "missing: kind"),
    "no case": (b"kind;amount\r\na;b\r\n", "missing: case_id, file_number"),
    "a heading that nobody knows": (b"case_id;kind;amuont\r\na;b;c\r\n", "other headings"),
    "quotation marks without end": (as_csv(ROW) + b'"x;y\r\nz;\r\n', "From row 3 on"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_no_report_file_is_refused_with_the_reason(name: str) -> None:
    content, reason = BOMBS[name]
    assert reason in refusal_of(content)


def test_the_files_that_are_refused_are_right_but_for_one_thing() -> None:
    said = {"row": 2, "faults": [], "case_id": CASE, "kind": "case.closed", "day": "2026-03-01"}
    for content in (
        SMALL,
        repacked(SMALL),
        repacked(SMALL, method=zipfile.ZIP_STORED),
        as_csv(ROW),
    ):
        assert rows_of(content) == [said]


def test_rows_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_ROWS", 3)
    assert len(rows_of(as_csv(ROW, ROW))) == 2
    assert refusal_of(as_csv(ROW, ROW, ROW)) == "There are more than 3 rows"


def test_deep_nesting_harms_nothing() -> None:
    depth = 60_000
    assert "is empty" in refusal_of(with_sheet("<a>" * depth + "</a>" * depth))


async def test_what_the_guard_lets_through_breaks_its_reader_only() -> None:
    # Each of many cells is the one long text: small when packed, and 256 MB for a reader.
    rows = "".join(f'<row><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, 8_001))
    bomb = with_shared_text(rows, "x" * 32_000)
    assert len(bomb) < 100_000
    xlsx_guard.check_workbook(bomb)
    with pytest.raises(RefusedError) as refused:
        await read_apart(bomb, ReaderLimits(128 * 1024 * 1024, 30))
    assert refused.value.reason == DIED


def with_shared_text(rows: str, text: str) -> bytes:
    """Return a workbook whose cells refer to one text."""
    relationships, types = "xl/_rels/workbook.xml.rels", "[Content_Types].xml"
    whole = with_sheet(rows)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        schema = (
            b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
        )
        one_more = b'<Relationship Type="%b" Target="sharedStrings.xml" Id="rId9"/>' % schema
        kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
        named = b'<Override PartName="/xl/sharedStrings.xml" ContentType="%b"/>' % kind
        return repacked(
            whole,
            {
                relationships: archive.read(relationships).replace(
                    b"</Relationships>", one_more + b"</Relationships>"
                ),
                types: archive.read(types).replace(b"</Types>", named + b"</Types>"),
                "xl/sharedStrings.xml": f"<sst><si><t>{text}</t></si></sst>".encode(),
            },
        )


def test_a_text_that_cells_share_is_read() -> None:
    shared = with_shared_text('<row r="1"><c r="A1" t="s"><v>0</v></c></row>', "Aktenzeichen")
    assert "must hold the headings" in refusal_of(shared)


async def test_a_reader_that_takes_too_long_is_ended() -> None:
    with pytest.raises(RefusedError) as refused:
        await read_apart(as_csv(ROW), ReaderLimits(LIMITS.memory_bytes, 0))
    assert refused.value.reason == DIED


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


def saved(workbook: openpyxl.Workbook) -> bytes:
    """Return a workbook as a file."""
    output = io.BytesIO()
    workbook.save(output)
    return output.getvalue()


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
