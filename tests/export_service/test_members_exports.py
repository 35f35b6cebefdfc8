"""Exports of the members overview: everyone ever handed over, filtered, in two languages (R42)."""

import asyncio
import csv
import io
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import update

from contracts import ExportMembersCompletedV1, MemberHandedOverV1
from export_service import api
from export_service.exports.delete_expired_exports import delete_expired_exports
from export_service.exports.missing import ON_THEIR_WAY
from export_service.runs.store import runs
from kit.clock import now
from local_stack.issuer import Issuer
from tests.export_service.case_events import close, open_case, pay, set_file_number
from tests.export_service.conftest import render_all
from tests.export_service.handed_over import announcement, debtor, handover, run_of, studio
from tests.export_service.ordering import ServiceContext, announce, change, hand_over, published
from tests.export_service.staff import Staff

OURS, OTHER = studio("Unseres"), studio("Anderes")
OLD = handover(
    studio=OURS,
    debtor=debtor(first_name="Zoë", name1="Müller", membership_number="000123"),
    collection_date=date(2026, 1, 5),
)
NEW = handover(
    studio=OTHER,
    debtor=debtor(first_name="=Jan", name1="Özil", membership_number="000777"),
    collection_date=date(2026, 3, 2),
    run_booking_number="2026-000002",
)


@pytest.fixture
async def staff(client: httpx.AsyncClient, issuer: Issuer, context: ServiceContext) -> Staff:
    """Somebody who sees all studios; two runs of one member each are there."""
    await announce(context, announcement([OLD]), announcement([NEW]))
    await hand_over(context, [OLD, NEW])
    return Staff(client, issuer)


async def rows(context: ServiceContext, staff: Staff, **wanted: Any) -> list[dict[str, str]]:
    """Orders the overview and reads its file."""
    export_id = await staff.ordered(kind="MEMBERS", **wanted)
    await render_all(context)
    file = await staff.get(f"/{export_id}/file")
    assert file.status_code == 200, file.text
    return list(csv.DictReader(io.StringIO(file.text, newline="")))


async def test_the_overview_tells_what_was_handed_over_and_what_has_become_of_it(
    context: ServiceContext, staff: Staff
) -> None:
    await open_case(context, OLD)
    await set_file_number(context, OLD, "AZ-1")
    await pay(context, OLD, "5.00")
    newest, oldest = await rows(context, staff)
    assert oldest == {
        "Name": "Zoë Müller",
        "Mitgliedsnummer": "000123",
        "Übergabe am": "2026-01-05",
        "Übergeben": "19.90",
        "Währung": "EUR",
        "Aktenstatus": "OPEN",
        "Aktenzeichen": "AZ-1",
        "Gezahlt": "5.00",
        "Offen": "14.90",
        "Ergebnis": "",
        "Beendet am": "",
        "Studio": "Unseres",
        "Inkassolauf": "2026-000001",
        "Buchungsnummer": "1",
        "Mitglieds-ID": str(OLD.member_id),
        "Fall-ID": str(OLD.case_id),
        "Partner-ID": str(OLD.partner_id),
    }
    assert (newest["Name"], newest["Aktenstatus"]) == ("'=Jan Özil", "PENDING")
    await close(context, OLD)
    (closed,) = await rows(
        context, staff, language="en", csv={"guarded": False}, filters={"status": ["CLOSED"]}
    )
    assert (closed["Ended on"], closed["Result"]) == ("2026-04-18", "UNPAID"), "the tenant's day"


async def test_each_filter_reaches_the_rows(context: ServiceContext, staff: Staff) -> None:
    await open_case(context, OLD)
    of_old: list[dict[str, Any]] = [
        {"status": ["OPEN", "CLOSED"]},
        {"partner_id": OLD.partner_id},
        {"studio_id": OURS.studio_id},
        {"run_id": OLD.run_id},
        {"from": "2026-01-05", "to": "2026-01-05"},
        {"to": "2026-03-01"},
        {"search": "mull zoe"},
        {"search": "0123"},
    ]
    for filters in of_old:
        found = await rows(context, staff, filters=filters)
        assert [row["Fall-ID"] for row in found] == [str(OLD.case_id)], filters
    assert len(await rows(context, staff, filters={"open_again": False})) == 2
    assert await rows(context, staff, filters={"open_again": True}) == []
    assert await rows(context, staff, filters={"search": "nobody"}) == []


async def test_who_sees_some_studios_gets_their_members_only(
    context: ServiceContext, client: httpx.AsyncClient, issuer: Issuer, staff: Staff
) -> None:
    """R63: whatever the filters say."""
    narrowed = Staff(client, issuer, studio_ids=[OURS.studio_id])
    whole = await staff.ordered(kind="MEMBERS", filters={"studio_id": OURS.studio_id})
    found = await rows(context, narrowed)
    assert [row["Fall-ID"] for row in found] == [str(OLD.case_id)]
    assert await rows(context, narrowed, filters={"studio_id": OTHER.studio_id}) == []
    assert (await narrowed.get(f"/{whole}")).status_code == 404
    assert len(await narrowed.ids()) == 2


async def test_a_workbook_sums_up_what_is_in_it(context: ServiceContext, staff: Staff) -> None:
    ordered = await staff.order(
        kind="MEMBERS", format="xlsx", language="en", filters={"from": "2026-01-01"}
    )
    export_id = ordered.json()["export_id"]
    await render_all(context)
    export = (await staff.get(f"/{export_id}")).json()
    day = date.fromisoformat(export["created_at"][:10])
    assert export["file_name"] in {
        f"members-in-collection-{day + timedelta(days=days)}.xlsx" for days in (0, 1)
    }
    assert export["filters"]["from"] == "2026-01-01"
    assert export["filters"] == ordered.json()["filters"]
    file = await staff.get(f"/{export_id}/file")
    book = CalamineWorkbook.from_filelike(io.BytesIO(file.content))
    assert book.sheet_names == ["Members", "Summary"]
    members, summary = (book.get_sheet_by_name(name).to_python() for name in book.sheet_names)
    assert [row[0] for row in members] == ["Name", "=Jan Özil", "Zoë Müller"]
    assert ["Cases", 2] in [row[:2] for row in summary]
    assert ["EUR", 2, 39.80, 0, 39.80] in [row[:5] for row in summary]


async def test_who_was_searched_for_is_forgotten_with_the_file(
    context: ServiceContext, staff: Staff
) -> None:
    """R63."""
    filters = {"search": "Müller", "status": ["PENDING"]}
    export_id = await staff.ordered(kind="MEMBERS", filters=filters)
    await render_all(context)
    await delete_expired_exports(context)
    assert (await staff.get(f"/{export_id}")).json()["filters"]["search"] == "Müller"
    await change(context, UUID(export_id), expires_at=now(), delete_file_at=now())
    await delete_expired_exports(context)
    kept = (await staff.get(f"/{export_id}")).json()["filters"]
    assert (kept["search"], kept["status"]) == (None, ["PENDING"])


async def test_a_completed_overview_is_published(context: ServiceContext, staff: Staff) -> None:
    """R60."""
    export_id = await staff.ordered(kind="MEMBERS", format="xlsx")
    await render_all(context)
    (event,) = await published(context)
    export = (await staff.get(f"/{export_id}")).json()
    assert isinstance(event, ExportMembersCompletedV1)
    assert event.model_dump(mode="json") == {
        "export_id": export_id,
        "format": "XLSX",
        "row_count": 2,
        "size_bytes": export["size_bytes"],
        "sha256": export["sha256"],
        "expires_at": export["expires_at"],
    }


async def arriving(context: ServiceContext, age: timedelta) -> list[MemberHandedOverV1]:
    """A run of so long ago, of whose three members one has arrived; returns the others."""
    run, members = run_of(members=3)
    await announce(context, run)
    await hand_over(context, members[:1])
    await heard_of(context, run.run_id, age)
    return members[1:]


async def heard_of(context: ServiceContext, run_id: UUID, age: timedelta) -> None:
    """Turns the clock of a run, so to say."""
    async with context.database.begin() as connection:
        await connection.execute(
            update(runs).where(runs.c.run_id == run_id).values(heard_of_at=now() - age)
        )


async def test_the_overview_waits_for_members_on_their_way(
    context: ServiceContext, staff: Staff
) -> None:
    """Nobody is silently missing; a run that comes later holds nobody up."""
    late = await arriving(context, age=ON_THEIR_WAY / 2)
    export_id = await staff.ordered(kind="MEMBERS")
    await arriving(context, age=-timedelta(minutes=1))
    await render_all(context)
    waiting = (await staff.get(f"/{export_id}")).json()
    assert (waiting["status"], waiting["members_missing"]) == ("WAITING", 2)
    elsewhere: list[dict[str, Any]] = [
        {"run_id": OLD.run_id},
        {"studio_id": OURS.studio_id},
        {"partner_id": OLD.partner_id},
        {"from": "2026-03-03"},
        {"to": "2026-03-01"},
    ]
    for filters in elsewhere:
        await rows(context, staff, filters=filters)

    await hand_over(context, late)
    await render_all(context)
    done = (await staff.get(f"/{export_id}")).json()
    assert (done["status"], done["rows_done"], done["members_missing"]) == ("COMPLETED", 6, 0)


async def test_the_overview_says_who_is_missing_of_older_runs(
    context: ServiceContext, staff: Staff
) -> None:
    await arriving(context, age=ON_THEIR_WAY * 1.1)
    export_id = await staff.ordered(kind="MEMBERS", format="xlsx")
    assert (await staff.get(f"/{export_id}")).json()["members_missing"] == 2
    await render_all(context)
    done = (await staff.get(f"/{export_id}")).json()
    assert (done["status"], done["rows_done"], done["members_missing"]) == ("COMPLETED", 3, 2)
    book = CalamineWorkbook.from_filelike(
        io.BytesIO((await staff.get(f"/{export_id}/file")).content)
    )
    summary = book.get_sheet_by_index(1).to_python()
    assert ["Noch nicht eingetroffene Mitglieder", 2] in [row[:2] for row in summary]
    of_ours = await staff.ordered(kind="MEMBERS", filters={"studio_id": OURS.studio_id})
    await render_all(context)
    assert (await staff.get(f"/{of_ours}")).json()["members_missing"] == 0


async def test_the_overview_waits_for_a_run_to_be_announced(
    context: ServiceContext, staff: Staff
) -> None:
    """Nobody knows how many members it has, nor of which studios; nor what time it is elsewhere."""
    run, members = run_of(members=3)
    await hand_over(context, members[:2])
    filters: list[dict[str, Any]] = [
        {},
        {"run_id": run.run_id},
        {"studio_id": OURS.studio_id},
        {"run_id": OLD.run_id},
    ]
    ordered = [await staff.ordered(kind="MEMBERS", filters=each) for each in filters]

    async def seen() -> list[tuple[str, int | None]]:
        await render_all(context)
        exports = [(await staff.get(f"/{export_id}")).json() for export_id in ordered]
        return [(each["status"], each["members_missing"]) for each in exports]

    assert await seen() == [("WAITING", None)] * 3 + [("COMPLETED", 0)]
    await announce(context, run.model_copy(update={"created_at": now() + timedelta(seconds=9)}))
    assert await seen() == [("WAITING", 1)] * 2 + [("COMPLETED", 0)] * 2
    await hand_over(context, members[2:])
    assert await seen() == [("COMPLETED", 0)] * 4


async def test_the_overview_says_that_nobody_knows_who_is_missing(
    context: ServiceContext, staff: Staff
) -> None:
    """Of a run that is still not announced after all the time that it waits."""
    run, members = run_of(members=3)
    await hand_over(context, members[:2])
    await heard_of(context, run.run_id, ON_THEIR_WAY * 1.1)
    export_id = await staff.ordered(kind="MEMBERS", format="xlsx", filters={"run_id": run.run_id})
    await render_all(context)
    done = (await staff.get(f"/{export_id}")).json()
    assert (done["status"], done["rows_done"], done["members_missing"]) == ("COMPLETED", 2, None)
    file = await staff.get(f"/{export_id}/file")
    summary = CalamineWorkbook.from_filelike(io.BytesIO(file.content)).get_sheet_by_index(1)
    assert ["Noch nicht eingetroffene Mitglieder", "nicht bekannt"] in [
        row[:2] for row in summary.to_python()
    ]


async def test_members_of_a_run_are_ordered_as_soon_as_something_of_it_is_known(
    context: ServiceContext, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order waits a moment for the run's events; then it says that there is none."""
    run, _ = run_of(members=1)
    of_run = {"run_id": run.run_id}
    with monkeypatch.context() as hurried:
        hurried.setattr(api, "_LOOK_AGAIN_AFTER", 0.005)
        refused = await staff.order(kind="MEMBERS", filters=of_run)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["filters.run_id"]
    ordering = asyncio.create_task(staff.order(kind="MEMBERS", filters=of_run))
    await announce(context, run)
    assert (await ordering).status_code == 202
