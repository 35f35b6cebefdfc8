"""The worker makes files of whole runs, whatever happens to it (R40, R41)."""

import asyncio
import hashlib
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from contracts import ExportCompletedV1
from export_service.exports import render_export
from export_service.exports.export import Format, Layout
from export_service.exports.export_file import ExportFile
from export_service.exports.render_export import ExportRenderer
from export_service.rendering.csv_writer import CsvWriter
from export_service.rendering.xlsx_writer import XlsxWriter
from export_service.runs.queries import RowsOfRun
from export_service.runs.store import handover_rows
from kit.ids import new_id
from kit.metrics import registry
from tests.export_service.conftest import render_all
from tests.export_service.handed_over import debtor, handover, run_of, studio
from tests.export_service.ordering import (
    AS_CSV,
    AS_XLSX,
    ServiceContext,
    announce,
    export,
    file_of,
    hand_over,
    order,
    published,
    records,
)
from tests.export_service.sample_rows import position


async def test_a_whole_run_becomes_a_csv_file_with_a_row_for_each_claim(
    context: ServiceContext,
) -> None:
    """R40: in the order of the booking numbers, whatever order the members came in."""
    run, members = run_of(members=5, claims=3)
    await announce(context, run)
    await hand_over(context, members[::-1])
    export_id = await order(context, run.run_id)
    await render_all(context)

    done = await export(context, export_id)
    assert (done.status, done.rows_done, done.rows_total) == ("COMPLETED", 15, 15)
    assert done.file_name == "inkassolauf-2026-000001.csv"
    path = file_of(context, export_id)
    rows = records(path)
    assert [(row[position("CaseId")], row[position("Amount")]) for row in rows] == [
        (str(member.case_id), amount) for member in members for amount in ("1.10", "2.10", "3.10")
    ]
    content = path.read_bytes()
    assert done.sha256 == hashlib.sha256(content).hexdigest()
    assert done.size_bytes == len(content)


async def test_many_claims_of_one_member_come_out_in_their_order(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R40: however few of them are read at a time."""
    monkeypatch.setattr(render_export, "STORED_ROWS_PER_BATCH", 1)
    run, members = run_of(members=2, claims=23)
    await announce(context, run)
    await hand_over(context, members)
    export_id = await order(context, run.run_id)
    await render_all(context)
    done = await export(context, export_id)
    assert (done.status, done.rows_done, done.rows_total) == ("COMPLETED", 46, 46)
    rows = records(file_of(context, export_id))
    assert [row[position("VoucherId")] for row in rows] == [
        str(claim.voucher_id) for member in members for claim in member.claims
    ]


@pytest.mark.parametrize("layout", [AS_CSV, AS_XLSX], ids=lambda layout: layout.format)
async def test_a_batch_of_many_claims_is_written_piece_by_piece(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch, layout: Layout
) -> None:
    """R41: so that neither memory nor other exports suffer from members with many claims."""
    writer: Any = {Format.CSV: CsvWriter, Format.XLSX: XlsxWriter}[layout.format]
    read = 0
    written: list[int] = []
    read_as_before, add_as_before = RowsOfRun.texts, writer.add

    def texts(self: RowsOfRun) -> list[list[str]]:
        nonlocal read
        found = read_as_before(self)
        read += len(found)
        return found

    def add(self: Any, rows: Sequence[Sequence[str]]) -> None:
        written.append(len(rows))
        assert read <= sum(written) + 9  # the rest of what is stored in one row
        add_as_before(self, rows)

    monkeypatch.setattr(RowsOfRun, "texts", texts)
    monkeypatch.setattr(writer, "add", add)
    run, members = run_of(members=120, claims=9)
    await announce(context, run)
    await hand_over(context, members)
    export_id = await order(context, run.run_id, layout)
    renderer = ExportRenderer()
    written_by_turns = []
    while await renderer.turn(context):
        written_by_turns.append(sum(written))
    assert written_by_turns == [500, 1000, 1080, 1080]
    assert max(written) == 500
    assert (await export(context, export_id)).rows_done == 1080


async def test_a_completed_export_is_published_once(context: ServiceContext) -> None:
    """R60: what the event says of the file is so."""
    run, members = run_of(members=2)
    await announce(context, run)
    await hand_over(context, members)
    export_id = await order(context, run.run_id, AS_XLSX)
    await render_all(context)
    await render_all(context)
    (event,) = await published(context)
    done = await export(context, export_id)
    assert event == ExportCompletedV1(
        export_id=export_id,
        kind="RUN",
        run_id=run.run_id,
        format="XLSX",
        row_count=2,
        size_bytes=done.size_bytes,
        sha256=done.sha256,
        expires_at=done.expires_at,
    )
    assert event.expires_at == done.completed_at + timedelta(days=30)


async def test_an_excel_file_holds_the_rows_and_the_sums_of_the_run(
    context: ServiceContext,
) -> None:
    """R40."""
    studios = [studio("Nord"), studio("Süd")]
    run, members = run_of(members=4, claims=2, studios=studios)
    await announce(context, run)
    await hand_over(context, members)
    export_id = await order(context, run.run_id, AS_XLSX)
    await render_all(context)
    book = CalamineWorkbook.from_path(str(file_of(context, export_id, AS_XLSX)))
    claims, summary = (book.get_sheet_by_index(index).to_python() for index in range(2))
    assert len(claims) == 1 + 8
    assert claims[1][position("MembershipNr")] == "000123"
    assert ["Forderungen", 8] in [row[:2] for row in summary]
    assert [row[0] for row in summary[-2:]] == ["Nord", "Süd"]


@pytest.mark.parametrize("announced_first", [True, False])
async def test_an_export_waits_until_the_run_is_whole(
    context: ServiceContext, announced_first: bool
) -> None:
    """R41: no file ever lacks members, in whichever order things arrive."""
    run, members = run_of(members=3, claims=2)
    if announced_first:
        await announce(context, run)
        await hand_over(context, members[:2])
        last = hand_over(context, members[2:])
    else:
        await hand_over(context, members)
        last = announce(context, run)
    export_id = await order(context, run.run_id)
    await render_all(context)
    assert (await export(context, export_id)).status == "WAITING"
    await last
    await render_all(context)
    done = await export(context, export_id)
    assert (done.status, done.rows_done) == ("COMPLETED", 6)


async def test_what_arrives_twice_counts_once(context: ServiceContext) -> None:
    run, members = run_of(members=2, claims=2)
    await announce(context, run, run)
    await hand_over(context, [members[0], members[0]])
    await hand_over(context, [members[0]])
    export_id = await order(context, run.run_id)
    await render_all(context)
    assert (await export(context, export_id)).status == "WAITING"
    await hand_over(context, members)
    await render_all(context)
    assert len(records(file_of(context, export_id))) == 4


async def test_a_run_with_the_same_id_of_another_tenant_changes_nothing(
    context: ServiceContext,
) -> None:
    """R63."""
    run, members = run_of(members=2)
    await announce(context, run)
    await hand_over(context, members[:1])
    await announce(context, run, tenant_id=new_id())
    await hand_over(context, members, tenant_id=new_id())
    export_id = await order(context, run.run_id)
    await render_all(context)
    assert (await export(context, export_id)).status == "WAITING"


async def test_an_export_for_some_studios_holds_their_rows_and_sums_only(
    context: ServiceContext,
) -> None:
    """R63: and it waits for their members only."""
    ours, other = studio("Unseres"), studio("Anderes")
    run, members = run_of(members=4, studios=[ours, other])
    await announce(context, run)
    await hand_over(context, [each for each in members if each.studio == ours])
    export_id = await order(context, run.run_id, AS_XLSX, [ours.studio_id])
    await render_all(context)
    book = CalamineWorkbook.from_path(str(file_of(context, export_id, AS_XLSX)))
    rows = book.get_sheet_by_index(0).to_python()[1:]
    assert {row[position("ClientId")] for row in rows} == {str(ours.studio_id)}
    assert len(rows) == 2
    seen = str(book.get_sheet_by_index(1).to_python())
    assert "Unseres" in seen
    assert str(other.studio_id) not in seen
    assert (await export(context, export_id)).rows_total == 2


async def test_several_workers_render_each_export_once(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render_export, "STORED_ROWS_PER_BATCH", 2)
    run, members = run_of(members=5)
    await announce(context, run)
    await hand_over(context, members)
    ordered = [await order(context, run.run_id) for _ in range(6)]
    await asyncio.gather(*(render_all(context) for _ in range(3)))
    assert {each.key() for each in await published(context)} == {str(id_) for id_ in ordered}
    for export_id in ordered:
        done = await export(context, export_id)
        assert (done.status, done.attempt, done.rows_done) == ("COMPLETED", 1, 5)


async def test_the_service_answers_while_it_renders(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R41: writing happens in a thread, however long it takes."""
    run, members = run_of(members=1)
    await announce(context, run)
    await hand_over(context, members)
    export_id = await order(context, run.run_id)
    write, loop, others = ExportFile.write, asyncio.get_running_loop(), threading.Event()

    def write_when_others_had_a_turn(self: ExportFile, data: bytes, /) -> None:
        loop.call_soon_threadsafe(others.set)
        assert others.wait(60)
        others.clear()
        write(self, data)

    monkeypatch.setattr(ExportFile, "write", write_when_others_had_a_turn)
    await render_all(context)
    assert (await export(context, export_id)).status == "COMPLETED"


async def test_wrong_bank_details_are_counted_and_the_row_is_kept(context: ServiceContext) -> None:
    """R40."""
    account = debtor().bank_account
    assert account is not None
    wrong = handover(debtor=debtor(bank_account=account.model_copy(update={"iban": "DE00 1234"})))
    before = _wrong_ibans()
    await hand_over(context, [wrong])
    assert _wrong_ibans() == before + 1
    async with context.database.connect() as connection:
        cells = (await connection.execute(select(handover_rows.c.cells))).scalar_one()
    assert cells[position("DebtorIBAN")] == "DE00 1234"


def _wrong_ibans() -> float:
    name = "export_wrong_details_total"
    return registry.get_sample_value(name, {"column": "DebtorIBAN"}) or 0.0
