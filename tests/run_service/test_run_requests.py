"""Requests on runs that are wrong, and who may ask: R63."""

from typing import Any

import httpx

from contracts import RunCreatedV1, RunReversalRequestedV1
from kit import cursors
from kit.ids import new_id
from tests.run_service.case_events import opened, paid
from tests.run_service.world import World

ID = str(new_id())
BEYOND = cursors.encode([2**31])
OTHER_LIST = cursors.encode(["2026-01-01"])
NO_ID = "not-an-id"

WRONG_QUERIES = [
    *(
        (path, query, field)
        for path in ("/runs", f"/runs/{ID}/members", f"/runs/{ID}/studios")
        for query, field in (
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("limit=x", "limit"),
            ("limit=", "limit"),
            ("cursor=x", "cursor"),
            ("cursor=!!!", "cursor"),
            (f"cursor={'x' * 2001}", "cursor"),
            (f"cursor={OTHER_LIST}", "cursor"),
        )
    ),
    ("/runs", f"cursor={BEYOND}", "cursor"),
    ("/runs", "status=DONE", "status"),
    ("/runs", "status=in_progress", "status"),
    ("/runs", "status=", "status"),
    ("/runs", "trigger=NIGHTLY", "trigger"),
    ("/runs", f"partner_id={NO_ID}", "partner_id"),
    ("/runs", f"studio_id={NO_ID}", "studio_id"),
    *(
        ("/runs", f"{field}={day}", field)
        for field in ("from", "to")
        for day in ("", "x", "0", "20260301", "2026-02-30", "2026-3-1", "2026-03-01T00:00:00")
    ),
    ("/runs", "from=2026-03-02&to=2026-03-01", "from"),
    (f"/runs/{NO_ID}", "", "run_id"),
    (f"/runs/{NO_ID}/members", "", "run_id"),
    (f"/runs/{NO_ID}/studios", "", "run_id"),
    (f"/runs/{NO_ID}/reversal", "", "run_id"),
    (f"/runs/{NO_ID}/members/{ID}", "", "run_id"),
    (f"/runs/{ID}/members/{NO_ID}", "", "member_id"),
    (f"/runs/{ID}/members", f"search={'x' * 201}", "search"),
    (f"/runs/{ID}/members", "case_status=ACCEPTED", "case_status"),
    (f"/runs/{ID}/members", f"studio_id={NO_ID}", "studio_id"),
    (f"/runs/{ID}/members", f"cursor={BEYOND}", "cursor"),
    (f"/runs/{ID}/studios", f"cursor={BEYOND}", "cursor"),
]

REVERSAL = {"confirmed": True, "reason": "Wrong partner"}
WRONG_BODIES: list[tuple[str, Any, str]] = [
    ("/runs", {}, "preview_id"),
    ("/runs", {"preview_id": NO_ID}, "preview_id"),
    ("/runs", {"preview_id": None}, "preview_id"),
    ("/runs", {"preview_id": ID, "leave_out_changed": "perhaps"}, "leave_out_changed"),
    ("/runs", {"preview_id": ID, "leave_out_changed": None}, "leave_out_changed"),
    ("/runs", {"preview_id": ID, "more": 1}, "more"),
    ("/runs", [], "body"),
    (f"/runs/{NO_ID}/reversal", REVERSAL, "run_id"),
    (f"/runs/{ID}/reversal", [REVERSAL], "body"),
    *(
        (f"/runs/{ID}/reversal", {**REVERSAL, field: value}, field)
        for field, value in (
            ("confirmed", False),
            ("confirmed", None),
            ("confirmed", 1),
            ("confirmed", "true"),
            ("reason", ""),
            ("reason", " "),
            ("reason", None),
            ("reason", 7),
            ("reason", "x" * 501),
            ("reason", "\x00"),
            ("more", "x"),
        )
    ),
    (f"/runs/{ID}/reversal", {"reason": "Wrong partner"}, "confirmed"),
    (f"/runs/{ID}/reversal", {"confirmed": True}, "reason"),
]


def named(response: httpx.Response) -> tuple[int, list[str]]:
    """Return the status of an answer, and the fields that it names."""
    return response.status_code, [each["field"] for each in response.json().get("errors", [])]


async def test_each_wrong_part_of_an_address_is_named(world: World) -> None:
    async with world.client() as client:
        answers = [named(await client.get(f"{path}?{query}")) for path, query, _ in WRONG_QUERIES]
    # A list of a run that is not there is not found before its cursor is looked at.
    for answer, (path, query, field) in zip(answers, WRONG_QUERIES, strict=True):
        is_late = query in (f"cursor={BEYOND}", f"cursor={OTHER_LIST}", "cursor=x", "cursor=!!!")
        if is_late and path != "/runs":
            assert answer == (404, []), (path, query)
        else:
            assert answer == (422, [field]), (path, query)


async def test_each_wrong_cursor_of_a_run_that_is_there_is_named(world: World) -> None:
    partner_id = await world.partner()
    await world.debtors(1, await world.studio())
    run_id = (await world.run(partner_id))["run_id"]
    async with world.client() as client:
        for part in ("members", "studios"):
            for cursor in (BEYOND, OTHER_LIST, "x", "!!!", cursors.encode([-1])):
                answer = await client.get(f"/runs/{run_id}/{part}?cursor={cursor}")
                assert named(answer) == (422, ["cursor"]), (part, cursor)


async def test_each_wrong_part_of_a_body_is_named(world: World) -> None:
    for path, body, field in WRONG_BODIES:
        assert named(await world.post(path, body)) == (422, [field]), (path, body)
    orders: dict[str, Any] = {"/runs": {"preview_id": ID}, f"/runs/{ID}/reversal": REVERSAL}
    for path, order in orders.items():
        async with world.client() as client:
            missing = await client.post(path, json=order)
            assert missing.json()["type"] == "urn:collection:problem:idempotency-key-missing"
            for key in ("", "x" * 256, "two words"):
                answer = await client.post(path, json=order, headers={"Idempotency-Key": key})
                assert answer.status_code == 400, key
            no_json = {"Idempotency-Key": "k", "Content-Type": "application/json"}
            assert (await client.post(path, content=b"{", headers=no_json)).status_code == 400
    assert await world.published(RunCreatedV1) == []


async def test_runs_are_shown_to_their_tenant_and_role_and_by_studio_r63(world: World) -> None:
    partner_id = await world.partner()
    north, south = await world.studio("North"), await world.studio("South")
    (northern,) = await world.debtors(1, north, "10.00")
    (southern,) = await world.debtors(1, south, "5.00")
    path = f"/runs/{(await world.run(partner_id))['run_id']}"
    first, second = await world.handed_over()
    await world.feed(opened(first), opened(second), paid(first, "4.00"), paid(second, "1.00"))
    await world.settle_all()
    paths = ["", "/members", f"/members/{southern.member_id}", "/studios", "/reversal"]

    async with world.client(tenant_id=new_id()) as stranger:
        for part in paths:
            assert (await stranger.get(path + part)).status_code == 404
        assert (await stranger.get("/runs")).json()["items"] == []
    async with world.client("partner:admin") as other:
        for part in paths:
            assert (await other.get(path + part)).status_code == 403
        assert (await other.get("/runs")).status_code == 403
    async with world.client(studio_ids=[new_id()]) as elsewhere:
        for part in paths:
            assert (await elsewhere.get(path + part)).status_code == 404
    async with world.client(studio_ids=[south]) as narrow:
        for part in paths:
            assert (await narrow.get(path + part)).status_code == 200
        assert (await narrow.get(f"{path}/members/{northern.member_id}")).status_code == 404
        outlook = (await narrow.get(f"{path}/reversal")).json()
    assert (outlook["members"], outlook["cases_not_ended"]) == (1, 1)
    assert outlook["open"] == [{"amount": "4.00", "currency": "EUR"}]
    assert outlook["collected"] == [{"amount": "1.00", "currency": "EUR"}]

    async with world.client() as client:
        for unknown in (f"/runs/{new_id()}", f"{path}/members/{new_id()}"):
            assert (await client.get(unknown)).status_code == 404
    refused = await world.post(f"{path}/reversal", REVERSAL, subject="reader", tenant_id=new_id())
    assert refused.status_code == 404
    async with world.client("collection:read") as reader:
        headers = {"Idempotency-Key": "k"}
        answer = await reader.post(f"{path}/reversal", json=REVERSAL, headers=headers)
        assert answer.status_code == 403
    assert await world.published(RunReversalRequestedV1) == []
