"""The ways in which a run can be written: for whom, in which language, per studio (R40, R42)."""

import csv
import io
import zipfile
from typing import Any

import httpx
import pytest
from openpyxl import load_workbook

from contracts import ExportCompletedV1
from export_service.exports import render_export
from export_service.runs.columns import COLUMNS
from local_stack.issuer import Issuer
from tests.export_service.conftest import render_all
from tests.export_service.handed_over import debtor, run_of, studio
from tests.export_service.ordering import ServiceContext, announce, hand_over, published
from tests.export_service.sample_rows import position
from tests.export_service.staff import Staff

NORTH, SOUTH, NAMESAKE = studio("Nord/Ost"), studio("Süd"), studio("süd")
RUN, MEMBERS = run_of(members=7, claims=2, studios=[NORTH, SOUTH, NAMESAKE])
MEMBERS[0] = MEMBERS[0].model_copy(update={"debtor": debtor(name1="=Özil", first_name="A;B")})

CSV_OPTIONS = {"plain": {"guarded": False}, "guarded": {}, "german": {"dialect": "GERMAN_EXCEL"}}


@pytest.fixture
async def staff(client: httpx.AsyncClient, issuer: Issuer, context: ServiceContext) -> Staff:
    """Somebody who sees all studios; a run of three of them is there."""
    await announce(context, RUN)
    await hand_over(context, MEMBERS)
    return Staff(client, issuer)


async def file(context: ServiceContext, staff: Staff, **wanted: Any) -> httpx.Response:
    """Orders the run and fetches the file."""
    export_id = await staff.ordered(run_id=RUN.run_id, **wanted)
    await render_all(context)
    return await staff.get(f"/{export_id}/file")


async def test_a_csv_file_is_for_programs_or_for_excel_in_germany(
    context: ServiceContext, staff: Staff
) -> None:
    cells = {}
    for layout, delimiter in (("plain", ","), ("guarded", ","), ("german", ";")):
        answer = await file(context, staff, csv=CSV_OPTIONS[layout])
        text = answer.content.decode("utf-8-sig" if layout == "german" else "utf-8")
        cells[layout] = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    name, amount = position("DebtorName1"), position("Amount")
    first = {
        layout: next(row for row in rows if "zil" in row[name]) for layout, rows in cells.items()
    }
    assert [row[name] for row in first.values()] == ["=Özil", "'=Özil", "'=Özil"]
    assert [row[amount] for row in first.values()] == ["1.10", "1.10", "1,10"]
    assert {row[position("FirstName")] for row in first.values()} == {"A;B"}
    for rows in cells.values():
        assert rows[0] == [column.name for column in COLUMNS]
        assert len(rows) == 1 + 14


async def test_the_language_is_that_of_the_summary_and_of_the_name(
    context: ServiceContext, staff: Staff
) -> None:
    """R40: never that of the columns."""
    for language, name, sheets in (
        ("de", "inkassolauf", ["Forderungen", "Zusammenfassung"]),
        ("en", "collection-run", ["Claims", "Summary"]),
    ):
        answer = await file(context, staff, format="xlsx", language=language)
        assert f'"{name}-2026-000001.xlsx"' in answer.headers["Content-Disposition"]
        book = load_workbook(io.BytesIO(answer.content))
        assert book.sheetnames == sheets
        header = [cell.value for cell in next(book.worksheets[0].iter_rows())]
        assert header == [column.name for column in COLUMNS]


@pytest.mark.parametrize("format_", ["csv", "xlsx"])
async def test_an_archive_has_a_file_for_each_studio(
    context: ServiceContext, staff: Staff, format_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R42: with its rows, its sums, and its name, which may be another one's but for its case."""
    monkeypatch.setattr(render_export, "STORED_ROWS_PER_BATCH", 3)  # studios begin within batches
    answer = await file(context, staff, format=format_, per_studio=True)
    assert answer.headers["Content-Type"] == "application/zip"
    assert '"inkassolauf-2026-000001.zip"' in answer.headers["Content-Disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert {name.casefold() for name in archive.namelist()} == {
        f"inkassolauf-2026-000001-nord_ost.{format_}",
        f"inkassolauf-2026-000001-süd.{format_}",
        f"inkassolauf-2026-000001-süd (2).{format_}",
    }
    found = {}
    for name in archive.namelist():
        rows, sums = _read(archive.read(name), format_)
        (studio_id,) = {row[position("ClientId")] for row in rows}
        found[studio_id] = len(rows)
        if sums:
            assert ["Forderungen", len(rows)] in sums
            assert [row[1] for row in sums if row[0] in ("Nord/Ost", "Süd", "süd")] == [studio_id]
    assert found == {
        str(each.studio_id): count for each, count in ((NORTH, 4), (SOUTH, 6), (NAMESAKE, 4))
    }
    (event,) = await published(context)
    assert isinstance(event, ExportCompletedV1)
    assert (event.archive, event.format, event.row_count) == ("ZIP", format_.upper(), 14)


async def test_an_archive_holds_the_studios_that_were_asked_for(
    context: ServiceContext, staff: Staff
) -> None:
    """R42."""
    wanted = [SOUTH.studio_id, NORTH.studio_id]
    answer = await file(context, staff, per_studio=True, studio_ids=wanted)
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert sorted(archive.namelist()) == [
        "inkassolauf-2026-000001-Nord_Ost.csv",
        "inkassolauf-2026-000001-Süd.csv",
    ]


def _read(content: bytes, format_: str) -> tuple[list[Any], list[list[Any]]]:
    """The rows of a file, and the first two cells of its summary."""
    if format_ == "csv":
        return list(csv.reader(io.StringIO(content.decode(), newline="")))[1:], []
    book = load_workbook(io.BytesIO(content))
    rows, summary = (list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets)
    return rows[1:], [list(row[:2]) for row in summary]
