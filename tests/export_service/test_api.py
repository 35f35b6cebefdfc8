"""What staff and programs see of exports by HTTP (R40, R41, R63)."""

import asyncio
import base64
import hashlib
from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import structlog

from export_service import api
from export_service.exports.store import exports
from export_service.settings import Settings
from export_service.subscribers import member_handed_over, run_created
from kit.clock import now
from kit.context import Context
from kit.cursors import encode
from kit.ids import new_id
from local_stack.issuer import Issuer
from tests.export_service.conftest import render_all
from tests.export_service.handed_over import receive, run_of, studio

TENANT = new_id()
OURS, OTHER = studio("Unseres"), studio("Anderes")
RUN, MEMBERS = run_of(members=4, claims=2, studios=[OURS, OTHER])


class Staff:
    """Somebody with a token."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        issuer: Issuer,
        tenant_id: UUID = TENANT,
        studio_ids: Collection[UUID] | None = None,
        roles: Collection[str] = ("collection:read",),
    ) -> None:
        self._client = client
        token = issuer.token(tenant_id, roles, subject="staff-7", studio_ids=studio_ids)
        self._headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str = "", **parameters: Any) -> httpx.Response:
        """Reads something below /v1/exports."""
        return await self._client.get(
            f"/v1/exports{path}", params=parameters, headers=self._headers
        )

    async def part_of_file(self, export_id: str, part: str) -> httpx.Response:
        """Reads what the header `Range` asks for."""
        headers = {**self._headers, "Range": part}
        return await self._client.get(f"/v1/exports/{export_id}/file", headers=headers)

    async def order(
        self, run_id: UUID = RUN.run_id, format_: str = "csv", key: str | None = None, **more: Any
    ) -> httpx.Response:
        """Orders an export."""
        return await self._client.post(
            "/v1/exports",
            json={"run_id": str(run_id), "format": format_, **more},
            headers=self._headers | {"Idempotency-Key": key or str(uuid4())},
        )


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
async def a_whole_run(context: Context[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of four members with two claims each, in two studios."""
    monkeypatch.setattr(api, "_LOOK_AGAIN_AFTER", 0.01)
    await receive(context, run_created, TENANT, [RUN])
    await receive(context, member_handed_over, TENANT, MEMBERS)


async def completed(context: Context[Settings], staff: Staff, format_: str = "csv") -> str:
    """Orders an export and lets it be rendered; returns its id."""
    ordered = await staff.order(format_=format_)
    await render_all(context)
    return str(ordered.json()["export_id"])


async def test_an_order_is_answered_at_once_and_wakes_the_worker(
    context: Context[Settings], staff: Staff
) -> None:
    """R41."""
    answer = await staff.order()
    assert answer.status_code == 202
    export = answer.json()
    assert (export["status"], export["rows_done"], export["rows_total"]) == ("WAITING", 0, None)
    assert (export["run_id"], export["created_by"]) == (str(RUN.run_id), "staff-7")
    assert context.bell(api.RENDER_EXPORTS).is_set()
    assert (await staff.get(f"/{export['export_id']}")).json() == export


@pytest.mark.parametrize(
    ("format_", "media_type"),
    [
        ("csv", "text/csv; charset=utf-8; header=present"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)
async def test_the_file_comes_with_its_name_length_and_digest(
    context: Context[Settings], staff: Staff, format_: str, media_type: str
) -> None:
    """R40."""
    export_id = await completed(context, staff, format_)
    export = (await staff.get(f"/{export_id}")).json()
    assert (export["status"], export["rows_done"], export["rows_total"]) == ("COMPLETED", 8, 8)

    answer = await staff.get(f"/{export_id}/file")
    assert answer.status_code == 200
    digest = hashlib.sha256(answer.content)
    assert export["sha256"] == digest.hexdigest()
    assert export["size_bytes"] == len(answer.content) == int(answer.headers["content-length"])
    name = f"inkassolauf-2026-000001.{format_}"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == "no-store"
    expected = base64.b64encode(digest.digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{expected}:"


@pytest.mark.parametrize(("part", "status"), [("bytes=9999999-", 416), ("bytes=5-1", 400)])
async def test_a_part_that_the_file_does_not_have_is_a_problem(
    context: Context[Settings], staff: Staff, part: str, status: int
) -> None:
    export_id = await completed(context, staff)
    size = (await staff.get(f"/{export_id}")).json()["size_bytes"]
    answer = await staff.part_of_file(export_id, part)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("content-range") == (f"bytes */{size}" if status == 416 else None)


async def test_a_file_that_is_not_ready_is_a_conflict(staff: Staff) -> None:
    export_id = (await staff.order()).json()["export_id"]
    answer = await staff.get(f"/{export_id}/file")
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:collection:problem:export-not-ready"


async def test_a_file_that_has_expired_is_gone(context: Context[Settings], staff: Staff) -> None:
    export_id = await completed(context, staff)
    async with context.database.begin() as connection:
        await connection.execute(exports.update().values(expires_at=now() - timedelta(seconds=1)))
    answer = await staff.get(f"/{export_id}/file")
    assert answer.status_code == 410
    assert answer.json()["type"] == "urn:collection:problem:export-gone"


async def test_the_same_order_again_is_the_same_export(staff: Staff) -> None:
    first = await staff.order(key="key-1")
    again = await staff.order(key="key-1")
    assert again.json() == first.json()
    assert (await staff.order(key="key-1", format_="xlsx")).status_code == 422
    assert len((await staff.get()).json()["items"]) == 1


async def test_an_order_is_checked(staff: Staff) -> None:
    assert (await staff.order(format_="pdf")).json()["errors"][0]["field"] == "format"
    assert (await staff.order(colour="red")).status_code == 422


async def test_nothing_of_another_tenant_is_found(
    context: Context[Settings], staff: Staff, stranger: Staff
) -> None:
    """R63."""
    export_id = await completed(context, staff)
    assert (await stranger.order()).status_code == 404
    assert (await stranger.get(f"/{export_id}")).status_code == 404
    assert (await stranger.get(f"/{export_id}/file")).status_code == 404
    assert (await stranger.get()).json() == {"items": [], "next": None}


async def test_an_unknown_run_is_not_found(staff: Staff) -> None:
    answer = await staff.order(run_id=new_id())
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:collection:problem:not-found"


async def test_a_run_created_just_now_can_be_ordered_at_once(
    context: Context[Settings], staff: Staff
) -> None:
    """The order waits a moment for the run's events, which are on their way."""
    run, _ = run_of(members=1)
    ordering = asyncio.create_task(staff.order(run_id=run.run_id))
    await receive(context, run_created, TENANT, [run])
    assert (await ordering).status_code == 202


async def test_who_sees_some_studios_gets_their_rows_only(
    context: Context[Settings], staff: Staff, narrowed: Staff
) -> None:
    """R63: nor any export that holds rows of other studios."""
    whole = await completed(context, staff)
    part = await completed(context, narrowed)
    assert (await narrowed.get(f"/{whole}")).status_code == 404
    assert (await narrowed.get(f"/{whole}/file")).status_code == 404
    assert [item["export_id"] for item in (await narrowed.get()).json()["items"]] == [part]

    export = (await narrowed.get(f"/{part}")).json()
    assert (export["studio_ids"], export["rows_total"]) == ([str(OURS.studio_id)], 4)
    content = (await narrowed.get(f"/{part}/file")).text
    assert content.count(str(OURS.studio_id)) == 4
    assert str(OTHER.studio_id) not in content
    assert len((await staff.get()).json()["items"]) == 2


async def test_a_run_without_the_callers_studios_is_not_found(
    client: httpx.AsyncClient, issuer: Issuer
) -> None:
    """R63."""
    elsewhere = Staff(client, issuer, studio_ids=[new_id()])
    nowhere = Staff(client, issuer, studio_ids=[])
    assert (await elsewhere.order()).status_code == 404
    assert (await nowhere.order()).status_code == 404
    assert (await nowhere.get()).json()["items"] == []


async def test_only_readers_get_in(client: httpx.AsyncClient, issuer: Issuer) -> None:
    """R63."""
    assert (await client.get("/v1/exports")).status_code == 401
    manager = Staff(client, issuer, roles=["collection:manage"])
    assert (await manager.get()).status_code == 403
    assert (await manager.order()).status_code == 403
    assert (await manager.get(f"/{new_id()}/file")).status_code == 403


async def test_lists_go_on_where_the_page_before_ended(staff: Staff) -> None:
    ordered = [(await staff.order()).json()["export_id"] for _ in range(5)]
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


async def test_lists_can_be_narrowed_to_a_run_and_a_status(
    context: Context[Settings], staff: Staff
) -> None:
    done = await completed(context, staff)
    waiting = (await staff.order()).json()["export_id"]
    of_status = (await staff.get(status="WAITING", run_id=str(RUN.run_id))).json()["items"]
    assert [item["export_id"] for item in of_status] == [waiting]
    assert [
        item["export_id"] for item in (await staff.get(status="COMPLETED")).json()["items"]
    ] == [done]
    assert (await staff.get(run_id=str(new_id()))).json()["items"] == []


async def test_a_download_is_logged_by_who_and_which_never_by_what(
    context: Context[Settings], staff: Staff
) -> None:
    """R63."""
    with structlog.testing.capture_logs() as lines:
        export_id = await completed(context, staff)
        await staff.get(f"/{export_id}/file")
    (line,) = [line for line in lines if line["event"] == "export-fetched"]
    assert (str(line["export_id"]), line["subject"]) == (export_id, "staff-7")
    said = str(lines)
    for personal in ("Müller", "Zoë", "000123", "DE02120300000000202051", "zoe@", "+49170"):
        assert personal not in said
