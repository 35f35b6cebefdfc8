"""Requests about previews that are wrong are refused, and say where."""

import json
from typing import Any

from kit.ids import new_id
from tests.run_service.world import World

ID = str(new_id())
MEMBERS = "/previews/{preview_id}/members"
MEMBER = MEMBERS + "/{member_id}"
ORDER = {"partner_id": ID}
DECISION = {"left_out": True}
DECISIONS = {"left_out": True, "member_ids": None}

WRONG: list[tuple[str, str, Any, str]] = [
    ("POST", "/previews", {}, "partner_id"),
    ("POST", "/previews", {"partner_id": None}, "partner_id"),
    ("POST", "/previews", {"partner_id": "agency"}, "partner_id"),
    ("POST", "/previews", ORDER | {"studio_ids": []}, "studio_ids"),
    ("POST", "/previews", ORDER | {"studio_ids": ID}, "studio_ids"),
    ("POST", "/previews", ORDER | {"studio_ids": [ID, 7]}, "studio_ids.1"),
    ("POST", "/previews", ORDER | {"studio_ids": [ID] * 2001}, "studio_ids"),
    ("POST", "/previews", ORDER | {"more": 1}, "more"),
    ("POST", "/previews", [], "body"),
    ("GET", "/previews?limit=0", None, "limit"),
    ("GET", "/previews?limit=501", None, "limit"),
    ("GET", "/previews?limit=many", None, "limit"),
    ("GET", "/previews?cursor=here", None, "cursor"),
    ("GET", "/previews?cursor=WzFd", None, "cursor"),
    ("GET", "/previews/7", None, "preview_id"),
    ("GET", "/previews/7/members", None, "preview_id"),
    ("GET", "/previews/7/members/{member_id}", None, "preview_id"),
    ("GET", MEMBERS + "/7", None, "member_id"),
    ("GET", MEMBERS + "?limit=0", None, "limit"),
    ("GET", MEMBERS + "?limit=501", None, "limit"),
    ("GET", MEMBERS + "?cursor=here", None, "cursor"),
    ("GET", MEMBERS + "?cursor=W10", None, "cursor"),
    ("GET", MEMBERS + "?cursor=" + "x" * 2001, None, "cursor"),
    ("GET", MEMBERS + "?sort=birth_date", None, "sort"),
    ("GET", MEMBERS + "?sort=", None, "sort"),
    ("GET", MEMBERS + "?search=" + "x" * 201, None, "search"),
    ("GET", MEMBERS + "?studio_id=north", None, "studio_id"),
    ("GET", MEMBERS + "?left_out=perhaps", None, "left_out"),
    ("GET", MEMBERS + "?reason=TIRED", None, "reason"),
    ("GET", MEMBERS + "?minor=2", None, "minor"),
    ("PUT", "/previews/7/members/{member_id}", DECISION, "preview_id"),
    ("PUT", MEMBERS + "/7", DECISION, "member_id"),
    ("PUT", MEMBER, {}, "left_out"),
    ("PUT", MEMBER, {"left_out": None}, "left_out"),
    ("PUT", MEMBER, {"left_out": "perhaps"}, "left_out"),
    ("PUT", MEMBER, DECISION | {"reason": ""}, "reason"),
    ("PUT", MEMBER, DECISION | {"reason": "x" * 501}, "reason"),
    ("PUT", MEMBER, DECISION | {"reason": "\x00"}, "reason"),
    ("PUT", MEMBER, DECISION | {"reason": 7}, "reason"),
    ("PUT", MEMBER, DECISION | {"more": 1}, "more"),
    ("PATCH", "/previews/7/members", DECISIONS, "preview_id"),
    ("PATCH", MEMBERS, {"member_ids": None}, "left_out"),
    ("PATCH", MEMBERS, DECISIONS | {"left_out": "perhaps"}, "left_out"),
    ("PATCH", MEMBERS, {"left_out": True}, "member_ids"),
    ("PATCH", MEMBERS, DECISIONS | {"member_ids": []}, "member_ids"),
    ("PATCH", MEMBERS, DECISIONS | {"member_ids": ID}, "member_ids"),
    ("PATCH", MEMBERS, DECISIONS | {"member_ids": [ID, "eva"]}, "member_ids.1"),
    ("PATCH", MEMBERS, DECISIONS | {"member_ids": [ID, ID]}, "member_ids"),
    ("PATCH", MEMBERS, DECISIONS | {"member_ids": [ID] * 10_001}, "member_ids"),
    ("PATCH", MEMBERS, DECISIONS | {"member_ids": [ID]}, "member_ids.0"),
    ("PATCH", MEMBERS, DECISIONS | {"reason": ""}, "reason"),
    ("PATCH", MEMBERS, DECISIONS | {"reason": "x" * 501}, "reason"),
    ("PATCH", MEMBERS, DECISIONS | {"reason": "\ud800"}, "reason"),
    ("PATCH", MEMBERS, DECISIONS | {"more": 1}, "more"),
]


async def test_each_field_that_is_wrong_is_named(world: World) -> None:
    (debtor,) = await world.debtors(1, await world.studio())
    preview = await world.preview(await world.partner())
    ids = {"preview_id": preview["preview_id"], "member_id": debtor.member_id}
    answers = []
    async with world.client() as client:
        for method, path, body, _ in WRONG:
            answer = await client.request(
                method,
                path.format(**ids),
                content=None if body is None else json.dumps(body),
                headers={"Idempotency-Key": str(new_id()), "Content-Type": "application/json"},
            )
            fields = [error["field"] for error in answer.json().get("errors", [])]
            answers.append((answer.status_code, fields))
    expected = [(422, [field]) for *_, field in WRONG]
    assert list(zip(WRONG, answers, strict=True)) == list(zip(WRONG, expected, strict=True))
    assert await world.get(f"/previews/{preview['preview_id']}") == preview


async def test_a_body_that_is_no_json_and_an_order_without_a_key_are_refused(
    world: World,
) -> None:
    async with world.client() as client:
        for method, path in (
            ("POST", "/previews"),
            ("PATCH", f"/previews/{ID}/members"),
            ("PUT", f"/previews/{ID}/members/{ID}"),
        ):
            headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
            refused = await client.request(method, path, content="{", headers=headers)
            assert refused.status_code == 400
        assert (await client.post("/previews", json=ORDER)).status_code == 400
