"""What is no report file is refused with the reason, and harms nothing (R53)."""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest

from partner_gateway.report_files import reader, xlsx_guard
from partner_gateway.report_files.reading import DIED, ReaderLimits
from partner_gateway.report_files.refusal import NO_FORMAT, RefusedError
from tests.partner_gateway.report_desk import as_csv, as_xlsx
from tests.partner_gateway.report_reading import (
    CASE,
    LIMITS,
    ROW,
    SHEET,
    SMALL,
    cell,
    read_apart,
    refusal_of,
    repacked,
    rows_of,
    with_shared_text,
    with_sheet,
)

RELATIONSHIPS = b"<Relationships>%b</Relationships>"
TO_A_PICTURE = RELATIONSHIPS % b'<Relationship Type="x/worksheet" Target="a.png"/>'


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


async def test_a_reader_that_takes_too_long_is_ended() -> None:
    with pytest.raises(RefusedError) as refused:
        await read_apart(as_csv(ROW), ReaderLimits(LIMITS.memory_bytes, 0))
    assert refused.value.reason == DIED
