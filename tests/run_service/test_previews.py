"""Previews: R2, R3, R63."""

from typing import Any

from sqlalchemy import text

from kit.ids import new_id
from run_service.previews.discard_previews import discard_previews
from tests.run_service.world import World, claim, euros, member, years_ago


async def decide(world: World, preview: Any, member_id: object, **decision: object) -> Any:
    """Leave a member of a preview out, or take it in; return the response."""
    async with world.client(subject="staff-7") as client:
        path = f"/previews/{preview['preview_id']}/members/{member_id}"
        return await client.put(path, json=decision)


async def test_preview_shows_each_candidate_with_its_claims_r2(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    debtors = await world.debtors(3, studio_id, "10.00", "2.50")
    preview = await world.preview(partner_id)
    assert preview["partner_name"] == "Agency"
    assert (preview["members"], preview["claims"]) == (3, 6)
    assert preview["totals"] == [{"amount": "37.50", "currency": "EUR"}]
    assert (preview["left_out"], preview["minors_left_out"]) == ([], 0)
    assert (preview["studio_ids"], preview["created_by"]) == (None, "staff-1")
    assert preview == await world.get(f"/previews/{preview['preview_id']}")

    path = f"/previews/{preview['preview_id']}/members?limit=2"
    first = await world.get(path)
    second = await world.get(f"{path}&cursor={first['next']}")
    assert second["next"] is None
    items = first["items"] + second["items"]
    assert [item["name"] for item in items] == [f"Eva Muster {number:05}" for number in range(3)]
    assert items[0]["membership_number"] == "0042"
    assert items[0]["total"] == {"amount": "12.50", "currency": "EUR"}
    assert {each["claim_id"] for each in items[0]["claims"]} == set(map(str, debtors[0].claim_ids))
    assert {each["to_collect"]["amount"] for each in items[0]["claims"]} == {"10.00", "2.50"}


async def test_preview_is_frozen_r4(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    (debtor,) = await world.debtors(1, studio_id)
    preview = await world.preview(partner_id)
    await world.feed(
        claim(debtor.claim_ids[0], debtor.member_id, studio_id, 2, amount=euros("99.00")),
        member(debtor.member_id, studio_id, 2, name1="Renamed"),
    )
    items = (await world.get(f"/previews/{preview['preview_id']}/members"))["items"]
    assert items[0]["name"] == "Eva Muster 00000"
    assert items[0]["total"]["amount"] == "30.00"


async def test_a_member_can_be_left_out_and_taken_in_again_r2(world: World) -> None:
    partner_id = await world.partner()
    debtor, _ = await world.debtors(2, await world.studio())
    preview = await world.preview(partner_id)
    out = (await decide(world, preview, debtor.member_id, left_out=True, reason="Moving")).json()
    assert (out["left_out"], out["left_out_reason"]) == (True, "BY_STAFF")
    assert (out["decided_by"], out["decision_reason"]) == ("staff-7", "Moving")
    assert (await world.get(f"/previews/{preview['preview_id']}"))["members"] == 1
    back = (await decide(world, preview, debtor.member_id, left_out=False)).json()
    assert (back["left_out"], back["left_out_reason"]) == (False, None)
    assert (await world.get(f"/previews/{preview['preview_id']}"))["members"] == 2


async def test_a_minor_is_taken_in_with_a_reason_only_and_the_reason_is_kept_r3(
    world: World,
) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    (minor,) = await world.debtors(1, studio_id, birth_date=years_ago(16))
    await world.debtors(1, studio_id)
    preview = await world.preview(partner_id)
    assert (preview["members"], preview["minors_left_out"]) == (1, 1)
    for reason in ({}, {"reason": " "}):
        refused = await decide(world, preview, minor.member_id, left_out=False, **reason)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "reason"
    taken = await decide(world, preview, minor.member_id, left_out=False, reason="Emancipated")
    assert (taken.json()["minor"], taken.json()["left_out"]) == (True, False)

    await world.post("/runs", {"preview_id": preview["preview_id"]})
    await world.publish_all()
    columns = "taken_in_by, taken_in_as, taken_in_reason"
    async with world.context.database.connect() as connection:
        kept = await connection.execute(
            text(f"SELECT {columns} FROM run_members WHERE member_id = :id"),
            {"id": minor.member_id},
        )
        roles = ["collection:manage", "collection:read"]
        assert tuple(kept.one()) == ("staff-7", roles, "Emancipated")


async def test_preview_of_some_studios_holds_their_members_only(world: World) -> None:
    partner_id = await world.partner()
    north, south = await world.studio("North"), await world.studio("South")
    await world.debtors(2, north)
    await world.debtors(1, south)
    order = {"partner_id": str(partner_id), "studio_ids": [str(north)]}
    made = (await world.post("/previews", order)).json()
    assert (made["members"], made["studio_ids"]) == (2, [str(north)])
    for studio_ids in ([str(new_id())], [str(north), str(new_id())]):
        refused = await world.post("/previews", {**order, "studio_ids": studio_ids})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "studio_ids"


async def test_partner_must_be_known_and_active(world: World) -> None:
    unknown = await world.post("/previews", {"partner_id": str(new_id())})
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["field"] == "partner_id"
    paused = await world.partner(status="PAUSED")
    refused = await world.post("/previews", {"partner_id": str(paused)})
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:collection:problem:partner-paused"


async def test_preview_of_another_tenant_or_of_other_studios_is_not_found_r63(
    world: World,
) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    (debtor,) = await world.debtors(1, studio_id)
    preview = await world.preview(partner_id)
    path = f"/previews/{preview['preview_id']}"
    tokens: list[dict[str, Any]] = [{"tenant_id": new_id()}, {"studio_ids": [studio_id]}]
    for token in tokens:
        async with world.client(**token) as client:
            assert (await client.get(path)).status_code == 404
            assert (await client.get(f"{path}/members")).status_code == 404
            decision = {"left_out": True}
            changed = await client.put(f"{path}/members/{debtor.member_id}", json=decision)
            assert changed.status_code == 404
            seen = await client.get(f"{path}/members/{debtor.member_id}")
            assert seen.status_code == 404
            everybody = {"left_out": True, "member_ids": None}
            assert (await client.patch(f"{path}/members", json=everybody)).status_code == 404
        made = await world.post("/runs", {"preview_id": preview["preview_id"]}, **token)
        assert made.status_code == 404


async def test_a_token_for_few_studios_makes_a_preview_of_those_r63(world: World) -> None:
    partner_id = await world.partner()
    north, south = await world.studio("North"), await world.studio("South")
    await world.debtors(2, north)
    await world.debtors(1, south)
    preview = await world.preview(partner_id, studio_ids=[south])
    assert preview["members"] == 1
    path = f"/previews/{preview['preview_id']}"
    assert (await world.get(path, studio_ids=[south, north]))["members"] == 1
    assert (await world.get(path))["members"] == 1


async def test_counts_tell_why_members_are_left_out_r2_r3(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    staff_leave_out, _ = await world.debtors(2, studio_id)
    await world.debtors(3, studio_id, birth_date=years_ago(16))
    await world.debtors(2, studio_id, address=None)
    await world.debtors(1, studio_id, birth_date=years_ago(16), address=None)
    preview = await world.preview(partner_id)
    await decide(world, preview, staff_leave_out.member_id, left_out=True)
    seen = await world.get(f"/previews/{preview['preview_id']}")
    assert (seen["members"], seen["claims"]) == (1, 1)
    assert seen["totals"] == [{"amount": "30.00", "currency": "EUR"}]
    assert seen["left_out"] == [
        {"reason": "BY_STAFF", "members": 1},
        {"reason": "INCOMPLETE_ADDRESS", "members": 3},
        {"reason": "MINOR_WITHOUT_GUARDIAN", "members": 3},
    ]
    assert seen["minors_left_out"] == 4


async def test_previews_that_a_run_can_be_made_of_are_listed_newest_first(world: World) -> None:
    partner_id = await world.partner()
    north, south = await world.studio("North"), await world.studio("South")
    await world.debtors(1, north)
    await world.debtors(1, south)
    made = [
        await world.preview(partner_id, **token)
        for token in ({}, {"studio_ids": [north]}, {"studio_ids": [north, south]}, {}, {})
    ]
    of_all, of_north, of_both, expired, used = [preview["preview_id"] for preview in made]
    assert (await world.post("/runs", {"preview_id": used})).status_code == 201
    async with world.context.database.begin() as connection:
        expire = "UPDATE previews SET expires_at = now() WHERE preview_id = :id"
        await connection.execute(text(expire), {"id": expired})

    first = await world.get("/previews?limit=2")
    rest = await world.get(f"/previews?limit=2&cursor={first['next']}")
    listed = first["items"] + rest["items"]
    assert [each["preview_id"] for each in listed] == [of_both, of_north, of_all]
    assert rest["next"] is None
    assert set(listed[1]) < set(made[1])
    assert listed[1].items() <= made[1].items()

    async def ids(**token: Any) -> list[str]:
        return [each["preview_id"] for each in (await world.get("/previews", **token))["items"]]

    assert await ids(studio_ids=[north]) == [of_north]
    assert await ids(studio_ids=[north, south, new_id()]) == [of_both, of_north]
    assert await ids(studio_ids=[]) == []
    assert await ids(tenant_id=new_id()) == []


async def test_an_expired_preview_is_gone_and_loses_its_members(world: World) -> None:
    partner_id = await world.partner()
    await world.debtors(1, await world.studio())
    preview = await world.preview(partner_id)
    assert not await discard_previews(world.context)
    async with world.context.database.begin() as connection:
        await connection.execute(text("UPDATE previews SET expires_at = now()"))
    path = f"/previews/{preview['preview_id']}"
    async with world.client() as client:
        for part in ("", "/members", f"/members/{new_id()}"):
            assert (await client.get(path + part)).status_code == 410
        everybody = {"left_out": True, "member_ids": None}
        assert (await client.patch(f"{path}/members", json=everybody)).status_code == 410
    refused = await world.post("/runs", {"preview_id": preview["preview_id"]})
    assert refused.status_code == 410
    assert refused.json()["type"] == "urn:collection:problem:preview-expired"
    assert await discard_previews(world.context)
    assert not await discard_previews(world.context)
    async with world.context.database.connect() as connection:
        for table in ("preview_members", "preview_studios"):
            rows = f"SELECT count(*) FROM {table}"
            assert await connection.scalar(text(rows)) == 0


async def test_previews_of_runs_that_are_not_published_yet_are_kept(world: World) -> None:
    partner_id = await world.partner()
    await world.debtors(1, await world.studio())
    await world.run(partner_id)
    async with world.context.database.begin() as connection:
        await connection.execute(text("UPDATE previews SET expires_at = now()"))
    assert not await discard_previews(world.context)
    assert len(await world.handed_over()) == 1
    assert await discard_previews(world.context)


async def test_previews_of_single_members_go_too_r9(world: World) -> None:
    partner_id = await world.partner()
    (debtor,) = await world.debtors(1, await world.studio())
    order = {"partner_id": str(partner_id), "member_id": str(debtor.member_id)}
    assert (await world.post("/handovers", order)).status_code == 201
    await world.publish_all()
    assert (await world.get("/previews"))["items"] == []
    assert not await discard_previews(world.context)
    async with world.context.database.begin() as connection:
        await connection.execute(text("UPDATE previews SET expires_at = now()"))
    assert await discard_previews(world.context)
    async with world.context.database.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM preview_members")) == 0
