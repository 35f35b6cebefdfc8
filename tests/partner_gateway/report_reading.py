"""Report files, right and wrong, and what the reader says of them."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import openpyxl
import pytest

from partner_gateway.report_files import reader
from partner_gateway.report_files.reading import ReaderLimits, ReadRow, reading
from partner_gateway.report_files.refusal import RefusedError
from partner_gateway.report_files.report_format import OWN_FORMAT, ReportFormat
from partner_gateway.report_files.rows import Reading
from tests.partner_gateway.report_desk import as_xlsx

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


SHEET = "xl/worksheets/sheet1.xml"
SMALL = as_xlsx(ROW)


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


def with_sheet(data: str, before: str = "") -> bytes:
    """Return a workbook with this XML as its only sheet."""
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    xml = f'{before}<worksheet xmlns="{namespace}"><sheetData>{data}</sheetData></worksheet>'
    return repacked(SMALL, {SHEET: xml.encode()})


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


def cell(reference: str) -> str:
    """Return a cell with a text in it."""
    return f'<c r="{reference}" t="inlineStr"><is><t>x</t></is></c>'


def saved(workbook: openpyxl.Workbook) -> bytes:
    """Return a workbook as a file."""
    output = io.BytesIO()
    workbook.save(output)
    return output.getvalue()
