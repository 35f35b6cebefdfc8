"""What staff and programs order over HTTP, and what they see of it (R40, R41, R42, R63)."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import structlog
from sqlalchemy import update

from export_service import api
from export_service.exports import create_export
from export_service.exports.export import LONGEST_WAIT
from export_service.runs.store import runs
from kit.clock import now
from kit.cursors import encode
from kit.ids import new_id
from local_stack.issuer import Issuer
from tests.export_service.conftest import render_all
from tests.export_service.handed_over import run_of, studio
from tests.export_service.ordering import ServiceContext, announce, change, hand_over
from tests.export_service.staff import Staff, worker

OURS, OTHER = studio("Unseres"), studio("Anderes")
RUN, MEMBERS = run_of(members=4, claims=2, studios=[OURS, OTHER])


@pytest.fixture
def staff(client: httpx.AsyncClient, issuer: Issuer) -> Staff:
    """Somebody who sees all of the tenant's studios."""
    return Staff(client, issuer)


@pytest.fixture
def narrowed(client: httpx.AsyncClient, issuer: Issuer) -> Staff:
    """Somebody who sees one studio only."""
    return Staff(client, issuer, studio_ids=[OURS.studio_id])


@pytest.fixture
def stranger(client: httpx.AsyncClient, issuer: Issuer) -> Staff:
    """Somebody of another tenant."""
    return Staff(client, issuer, tenant_id=new_id())


@pytest.fixture(autouse=True)
async def a_whole_run(context: ServiceContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of four members with two claims each, in two studios."""
    monkeypatch.setattr(api, "_LOOK_AGAIN_AFTER", 0.005)
    await announce(context, RUN)
    await hand_over(context, MEMBERS)


async def completed(context: ServiceContext, staff: Staff, **wanted: Any) -> str:
    """Orders an export and lets it be rendered; returns its id."""
    export_id = await staff.ordered(run_id=RUN.run_id, **wanted)
    await render_all(context)
    return export_id


async def test_an_order_is_answered_at_once_and_wakes_the_worker(
    context: ServiceContext, staff: Staff
) -> None:
    """R41."""
    answer = await staff.order(run_id=RUN.run_id)
    assert answer.status_code == 202
    export = answer.json()
    assert (export["status"], export["rows_done"], export["rows_total"]) == ("WAITING", 0, None)
    assert (export["run_id"], export["created_by"]) == (str(RUN.run_id), "staff-7")
    assert context.bell(api.RENDER_EXPORTS).is_set()
    assert (await staff.get(f"/{export['export_id']}")).json() == export


async def test_an_export_tells_how_it_was_ordered_and_what_it_is(
    context: ServiceContext, staff: Staff
) -> None:
    csv = {"dialect": "GERMAN_EXCEL", "guarded": False}
    export_id = await completed(context, staff, csv=csv, language="en", per_studio=True)
    export = (await staff.get(f"/{export_id}")).json()
    assert export == export | {
        "kind": "RUN",
        "format": "csv",
        "csv": csv,
        "language": "en",
        "per_studio": True,
        "studio_ids": None,
        "filters": None,
        "status": "COMPLETED",
        "reason_code": None,
        "rows_done": 8,
        "rows_total": 8,
        "members_missing": 0,
        "file_name": "collection-run-2026-000001.zip",
        "cancelled_by": None,
    }
    file = await staff.get(f"/{export_id}/file")
    assert len(file.content) == export["size_bytes"]
    as_xlsx = (await staff.order(run_id=RUN.run_id, format="xlsx")).json()
    assert (as_xlsx["csv"], as_xlsx["language"], as_xlsx["per_studio"]) == (None, "de", False)


MEMBERS_OF = {"kind": "MEMBERS"}
OF_RUN = {"run_id": RUN.run_id}


WRONG: list[tuple[dict[str, Any], str]] = [
    (OF_RUN | {"format": "pdf"}, "format"),
    (OF_RUN | {"colour": "red"}, "colour"),
    (OF_RUN | {"kind": "CASES"}, "kind"),
    (OF_RUN | {"language": "fr"}, "language"),
    (OF_RUN | {"csv": {"dialect": "TABS"}}, "csv.dialect"),
    (OF_RUN | {"format": "xlsx", "csv": {}}, "csv"),
    (OF_RUN | {"filters": {}}, "filters"),
    (OF_RUN | {"studio_ids": []}, "studio_ids"),
    (OF_RUN | {"studio_ids": [OURS.studio_id, new_id()]}, "studio_ids"),
    ({}, "run_id"),
    (MEMBERS_OF | OF_RUN, "run_id"),
    (MEMBERS_OF | {"studio_ids": [OURS.studio_id]}, "studio_ids"),
    (MEMBERS_OF | {"per_studio": True}, "per_studio"),
    (MEMBERS_OF | {"filters": {"status": ["LOST"]}}, "filters.status.0"),
    (MEMBERS_OF | {"filters": {"from": "2026-03-02", "to": "2026-03-01"}}, "filters.to"),
    (MEMBERS_OF | {"filters": {"from": 20260302}}, "filters.from"),
    (MEMBERS_OF | {"filters": {"search": "a\0"}}, "filters.search"),
    (MEMBERS_OF | {"filters": {"name": "Zoë"}}, "filters.name"),
]


async def test_what_is_wrong_or_does_not_go_together_is_named(staff: Staff) -> None:
    for wanted, field in WRONG:
        answer = await staff.order(**wanted)
        assert answer.status_code == 422, wanted
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    mixed = await staff.order(
        kind="MEMBERS", format="xlsx", csv={}, run_id=RUN.run_id, per_studio=True
    )
    named = [error["field"] for error in mixed.json()["errors"]]
    assert named == ["csv", "run_id", "per_studio"]
    assert await staff.ids() == []


async def test_a_tenant_orders_so_many_exports_at_once(
    context: ServiceContext, staff: Staff, stranger: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(create_export, "MAX_UNFINISHED", 2)
    for _ in range(2):
        await staff.ordered(run_id=RUN.run_id)
    refused = await staff.order(key="key-1", run_id=RUN.run_id)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "30")
    assert refused.json()["type"] == "urn:collection:problem:too-many-exports"
    await stranger.ordered(kind="MEMBERS")
    await render_all(context)
    assert (await staff.order(key="key-1", run_id=RUN.run_id)).status_code == 202


async def test_the_same_order_again_is_the_same_export(staff: Staff) -> None:
    first = await staff.order(key="key-1", run_id=RUN.run_id)
    again = await staff.order(key="key-1", run_id=RUN.run_id)
    assert again.json() == first.json()
    other = await staff.order(key="key-1", run_id=RUN.run_id, format="xlsx")
    assert other.status_code == 422
    assert len(await staff.ids()) == 1


async def test_nothing_of_another_tenant_is_found(
    context: ServiceContext, staff: Staff, stranger: Staff
) -> None:
    """R63."""
    export_id = await completed(context, staff)
    assert (await stranger.order(run_id=RUN.run_id)).status_code == 404
    assert (await stranger.get(f"/{export_id}")).status_code == 404
    assert (await stranger.get(f"/{export_id}/file")).status_code == 404
    assert (await stranger.cancel(export_id)).status_code == 404
    assert (await stranger.get()).json() == {"items": [], "next": None}


async def test_an_unknown_run_is_not_found(staff: Staff) -> None:
    answer = await staff.order(run_id=new_id())
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:collection:problem:not-found"


async def test_a_run_whose_details_are_deleted_is_gone(
    context: ServiceContext, staff: Staff
) -> None:
    """R63: and an export that waited for them fails."""
    waiting = await staff.ordered(run_id=RUN.run_id)
    async with context.database.begin() as connection:
        await connection.execute(update(runs).values(details_deleted_at=now()))
    answer = await staff.order(run_id=RUN.run_id)
    assert answer.status_code == 410
    assert answer.json()["type"] == "urn:collection:problem:run-details-gone"
    await render_all(context)
    failed = (await staff.get(f"/{waiting}")).json()
    assert (failed["status"], failed["reason_code"]) == ("FAILED", "DETAILS_DELETED")


async def test_a_run_created_just_now_can_be_ordered_at_once(
    context: ServiceContext, staff: Staff
) -> None:
    """The order waits a moment for the run's events, which are on their way."""
    run, _ = run_of(members=1)
    ordering = asyncio.create_task(staff.order(run_id=run.run_id))
    await announce(context, run)
    assert (await ordering).status_code == 202


async def test_an_export_says_how_many_members_it_waits_for(
    context: ServiceContext, staff: Staff
) -> None:
    """R41: it goes on by itself when they have come."""
    run, members = run_of(members=3)
    await hand_over(context, members[:1])
    export_id = await staff.ordered(run_id=run.run_id)

    async def seen() -> tuple[str, int | None]:
        export = (await staff.get(f"/{export_id}")).json()
        return export["status"], export["members_missing"]

    assert await seen() == ("WAITING", None), "nobody knows before the run is announced"
    await announce(context, run)
    await render_all(context)
    assert await seen() == ("WAITING", 2)
    async with worker(context):
        await hand_over(context, members[1:])
        async with asyncio.timeout(20):
            while await seen() != ("COMPLETED", 0):
                await asyncio.sleep(0.01)


async def test_a_run_that_never_becomes_whole_fails_its_exports_and_says_so(
    context: ServiceContext, staff: Staff
) -> None:
    """R41: one that is whole by then is exported, though nobody worked for so long."""
    run, members = run_of(members=2)
    await announce(context, run)
    await hand_over(context, members[:1])
    incomplete, whole = [await staff.ordered(run_id=each.run_id) for each in (run, RUN)]
    for export_id in (incomplete, whole):
        await change(context, UUID(export_id), created_at=now() - LONGEST_WAIT)
    with structlog.testing.capture_logs() as lines:
        await render_all(context)
    assert [str(line["export_id"]) for line in lines if line["event"] == "export-failed"] == [
        incomplete
    ]
    failed = (await staff.get(f"/{incomplete}")).json()
    assert (failed["status"], failed["reason_code"]) == ("FAILED", "RUN_INCOMPLETE")
    assert failed["members_missing"] == 1
    assert (await staff.get(f"/{whole}")).json()["status"] == "COMPLETED"
    no_file = await staff.get(f"/{incomplete}/file")
    assert no_file.status_code == 409
    assert no_file.json() == no_file.json() | {
        "type": "urn:collection:problem:export-has-no-file",
        "detail": "The export is FAILED.",
        "export_id": incomplete,
        "reason_code": "RUN_INCOMPLETE",
    }


async def test_some_studios_of_a_run_can_be_ordered(context: ServiceContext, staff: Staff) -> None:
    """R42."""
    export_id = await completed(context, staff, studio_ids=[OTHER.studio_id, OTHER.studio_id])
    export = (await staff.get(f"/{export_id}")).json()
    assert (export["studio_ids"], export["rows_total"]) == ([str(OTHER.studio_id)], 4)
    assert export["file_name"] == "inkassolauf-2026-000001-teil.csv", "it is not the whole run"
    content = (await staff.get(f"/{export_id}/file")).text
    assert content.count(str(OTHER.studio_id)) == 4
    assert str(OURS.studio_id) not in content


async def test_a_studio_that_turns_out_to_have_no_part_in_the_run_fails_the_export(
    context: ServiceContext, staff: Staff
) -> None:
    """R42: nobody knows the studios of a run before it is announced."""
    run, members = run_of(members=1, studios=[OURS])
    await hand_over(context, members)
    named: list[list[UUID]] = [[OURS.studio_id, new_id()], [new_id()], [OURS.studio_id]]
    ordered = [await staff.ordered(run_id=run.run_id, studio_ids=each) for each in named]
    await announce(context, run)
    await render_all(context)
    seen = [(await staff.get(f"/{export_id}")).json() for export_id in ordered]
    assert [(each["status"], each["reason_code"]) for each in seen] == [
        ("FAILED", "STUDIO_NOT_IN_RUN"),
        ("FAILED", "STUDIO_NOT_IN_RUN"),
        ("COMPLETED", None),
    ]


async def test_who_sees_some_studios_gets_their_rows_only(
    context: ServiceContext, staff: Staff, narrowed: Staff
) -> None:
    """R63: nor any export that holds rows of other studios."""
    whole = await completed(context, staff)
    part = await completed(context, narrowed)
    same = await completed(context, staff, studio_ids=[OURS.studio_id])
    assert (await narrowed.get(f"/{whole}")).status_code == 404
    assert (await narrowed.get(f"/{whole}/file")).status_code == 404
    assert (await narrowed.cancel(whole)).status_code == 404
    assert await narrowed.ids() == [same, part]
    assert len(await staff.ids()) == 3

    export = (await narrowed.get(f"/{part}")).json()
    assert (export["studio_ids"], export["rows_total"]) == ([str(OURS.studio_id)], 4)
    content = (await narrowed.get(f"/{part}/file")).text
    assert content.count(str(OURS.studio_id)) == 4
    assert str(OTHER.studio_id) not in content
    for hidden in ([OTHER.studio_id], [OURS.studio_id, OTHER.studio_id]):
        refused = await narrowed.order(run_id=RUN.run_id, studio_ids=hidden)
        assert refused.json()["errors"][0]["field"] == "studio_ids"


async def test_a_run_without_the_callers_studios_is_not_found(
    client: httpx.AsyncClient, issuer: Issuer
) -> None:
    """R63."""
    elsewhere = Staff(client, issuer, studio_ids=[new_id()])
    nowhere = Staff(client, issuer, studio_ids=[])
    assert (await elsewhere.order(run_id=RUN.run_id)).status_code == 404
    assert (await nowhere.order(run_id=RUN.run_id)).status_code == 404
    assert await nowhere.ids() == []


async def test_only_readers_get_in(client: httpx.AsyncClient, issuer: Issuer) -> None:
    """R63."""
    assert (await client.get("/v1/exports")).status_code == 401
    manager = Staff(client, issuer, roles=["collection:manage"])
    assert (await manager.get()).status_code == 403
    assert (await manager.order(run_id=RUN.run_id)).status_code == 403
    assert (await manager.get(f"/{new_id()}/file")).status_code == 403
    assert (await manager.cancel(str(new_id()))).status_code == 403


async def test_lists_go_on_where_the_page_before_ended(staff: Staff) -> None:
    ordered = [await staff.ordered(run_id=RUN.run_id) for _ in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await staff.get(limit=2, **cursor)).json()
        found += [item["export_id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == ordered[::-1]
    before_all_time = encode(["0001-01-01T00:00:00+14:00", new_id()])
    for invalid in ("x", before_all_time):
        assert (await staff.get(cursor=invalid)).json()["errors"][0]["field"] == "cursor"


async def test_lists_can_be_narrowed(
    context: ServiceContext, client: httpx.AsyncClient, issuer: Issuer, staff: Staff
) -> None:
    colleague = Staff(client, issuer, subject="staff-8")
    expired = await completed(context, staff)
    await change(context, UUID(expired), expires_at=now() - timedelta(seconds=1))
    done = await completed(context, colleague)
    members = await staff.ordered(kind="MEMBERS")
    waiting = await staff.ordered(run_id=RUN.run_id)
    assert await staff.ids(status="WAITING", run_id=RUN.run_id) == [waiting]
    assert await staff.ids(status="COMPLETED") == [done]
    assert await staff.ids(status="EXPIRED") == [expired]
    assert (await staff.get(f"/{expired}")).json()["status"] == "EXPIRED"
    assert await staff.ids(kind="MEMBERS") == [members]
    assert await staff.ids(kind="RUN") == [waiting, done, expired]
    assert await staff.ids(mine=True) == [waiting, members, expired]
    assert await colleague.ids(mine=True) == [done]
    assert await staff.ids(run_id=new_id()) == []
    assert (await staff.get(status="LOST")).json()["errors"][0]["field"] == "status"


async def test_nothing_personal_is_logged(context: ServiceContext, staff: Staff) -> None:
    """R63."""
    with structlog.testing.capture_logs() as lines:
        export_id = await completed(context, staff, format="xlsx", per_studio=True)
        await staff.get(f"/{export_id}/file")
        await staff.order(kind="MEMBERS", filters={"search": "Müller"})
        await render_all(context)
    assert {"export-completed", "export-fetched"} <= {line["event"] for line in lines}
    said = str(lines)
    for personal in ("Müller", "Zoë", "000123", "DE02120300000000202051", "zoe@", "+49170"):
        assert personal not in said
