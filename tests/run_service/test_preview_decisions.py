"""Leaving members of a preview out and taking them in, one by one and at once: R2, R3."""

from functools import partial
from typing import Any
from uuid import UUID

from kit.ids import new_id
from tests.run_service.world import World, years_ago

MINOR: dict[str, Any] = {"birth_date": years_ago(16)}
NOWHERE: dict[str, Any] = {"address": None}


async def decide(world: World, preview: Any, member_id: UUID, **decision: Any) -> Any:
    """Decide on one member; return the response."""
    async with world.client(subject="staff-1") as client:
        path = f"/previews/{preview['preview_id']}/members/{member_id}"
        return await client.put(path, json=decision)


async def decide_on_all(
    world: World, preview: Any, *, left_out: bool, member_ids: list[UUID] | None, **more: Any
) -> Any:
    """Decide on several members; return the response."""
    ids = None if member_ids is None else [str(member_id) for member_id in member_ids]
    async with world.client(subject="staff-2") as client:
        path = f"/previews/{preview['preview_id']}/members"
        return await client.patch(path, json={"left_out": left_out, "member_ids": ids, **more})


async def members_of(world: World, preview: Any) -> dict[UUID, Any]:
    """Return the members of a preview by id."""
    items = (await world.get(f"/previews/{preview['preview_id']}/members"))["items"]
    return {UUID(item["member_id"]): item for item in items}


def fields(response: Any) -> list[str]:
    """Return the fields that a refusal names."""
    assert response.status_code == 422, response.text
    return [error["field"] for error in response.json()["errors"]]


async def test_named_members_are_left_out_and_taken_in_again_r2(world: World) -> None:
    debtors = await world.debtors(3, await world.studio())
    ids = [debtor.member_id for debtor in debtors]
    preview = await world.preview(await world.partner())
    out = await decide_on_all(world, preview, left_out=True, member_ids=ids[:2], reason="Later")
    assert out.status_code == 200
    assert (out.json()["members"], out.json()["left_out"]) == (
        1,
        [{"reason": "BY_STAFF", "members": 2}],
    )
    seen = await members_of(world, preview)
    assert [seen[each]["left_out_reason"] for each in ids] == ["BY_STAFF", "BY_STAFF", None]
    assert (seen[ids[0]]["decided_by"], seen[ids[0]]["decision_reason"]) == ("staff-2", "Later")
    assert seen[ids[0]]["decided_as"] == ["collection:manage", "collection:read"]
    assert (seen[ids[2]]["decided_by"], seen[ids[2]]["decided_as"]) == (None, None)

    back = await decide_on_all(world, preview, left_out=False, member_ids=ids[1:])
    assert back.json() == await world.get(f"/previews/{preview['preview_id']}")
    assert back.json()["members"] == 2
    seen = await members_of(world, preview)
    assert [seen[each]["left_out"] for each in ids] == [True, False, False]
    assert (seen[ids[1]]["decided_by"], seen[ids[1]]["decision_reason"]) == ("staff-2", None)
    assert seen[ids[2]]["decided_by"] is None, "it was in already"


async def test_all_are_left_out_and_taken_in_but_those_who_must_stay_out_r2_r3(
    world: World,
) -> None:
    studio_id = await world.studio()
    plain = await world.debtors(3, studio_id)
    await world.debtors(2, studio_id, **MINOR)
    await world.debtors(1, studio_id, **NOWHERE)
    preview = await world.preview(await world.partner())
    first = plain[0].member_id
    await decide(world, preview, first, left_out=True, reason="Moving")

    nobody = (await decide_on_all(world, preview, left_out=True, member_ids=None)).json()
    assert (nobody["members"], nobody["minors_left_out"]) == (0, 2)
    assert nobody["left_out"] == [
        {"reason": "BY_STAFF", "members": 3},
        {"reason": "INCOMPLETE_ADDRESS", "members": 1},
        {"reason": "MINOR_WITHOUT_GUARDIAN", "members": 2},
    ]
    kept = (await members_of(world, preview))[first]
    assert (kept["decided_by"], kept["decision_reason"]) == ("staff-1", "Moving")

    everybody = (await decide_on_all(world, preview, left_out=False, member_ids=None)).json()
    assert everybody["members"] == 3
    assert everybody["left_out"] == [
        {"reason": "INCOMPLETE_ADDRESS", "members": 1},
        {"reason": "MINOR_WITHOUT_GUARDIAN", "members": 2},
    ]


async def test_a_minor_is_taken_in_alone_and_with_a_reason_each_time_r3(world: World) -> None:
    (minor,) = await world.debtors(1, await world.studio(), **MINOR)
    preview = await world.preview(await world.partner())
    member_id = minor.member_id

    async def is_refused() -> bool:
        alone = await decide(world, preview, member_id, left_out=False)
        named = await decide_on_all(
            world, preview, left_out=False, member_ids=[member_id], reason="Emancipated"
        )
        await decide_on_all(world, preview, left_out=False, member_ids=None, reason="Emancipated")
        return (
            fields(alone) == ["reason"]
            and fields(named) == ["member_ids.0"]
            and (await members_of(world, preview))[member_id]["left_out"]
        )

    assert await is_refused()
    for leave_out in (
        partial(decide, world, preview, member_id, left_out=True, reason="Again"),
        partial(decide_on_all, world, preview, left_out=True, member_ids=[member_id]),
        partial(decide_on_all, world, preview, left_out=True, member_ids=None),
    ):
        taken = await decide(world, preview, member_id, left_out=False, reason="Emancipated")
        assert (taken.json()["left_out"], taken.json()["left_out_reason"]) == (False, None)
        # Who is in already stays in as it was decided.
        await decide_on_all(world, preview, left_out=False, member_ids=None)
        kept = (await members_of(world, preview))[member_id]
        assert (kept["decided_by"], kept["decision_reason"]) == ("staff-1", "Emancipated")

        assert (await leave_out()).status_code == 200
        out = (await members_of(world, preview))[member_id]
        assert (out["left_out"], out["left_out_reason"]) == (True, "MINOR_WITHOUT_GUARDIAN")
        assert await is_refused()


async def test_who_cannot_be_handed_over_stays_out_r2(world: World) -> None:
    studio_id = await world.studio()
    (plain,) = await world.debtors(1, studio_id)
    (nowhere,) = await world.debtors(1, studio_id, **NOWHERE)
    (minor_nowhere,) = await world.debtors(1, studio_id, **MINOR, **NOWHERE)
    preview = await world.preview(await world.partner())
    for debtor in (nowhere, minor_nowhere):
        alone = await decide(world, preview, debtor.member_id, left_out=False, reason="Please")
        ids = [plain.member_id, debtor.member_id]
        named = await decide_on_all(world, preview, left_out=False, member_ids=ids)
        for refused in (alone, named):
            assert refused.status_code == 409
            assert refused.json()["type"] == "urn:collection:problem:member-cannot-be-taken-in"
        assert named.json()["member_ids"] == [str(debtor.member_id)]
        again = await decide(world, preview, debtor.member_id, left_out=True)
        assert again.json()["left_out_reason"] == "INCOMPLETE_ADDRESS"
        out = await decide_on_all(world, preview, left_out=True, member_ids=ids)
        assert {"reason": "INCOMPLETE_ADDRESS", "members": 2} in out.json()["left_out"]
        await decide_on_all(world, preview, left_out=False, member_ids=[plain.member_id])


async def test_each_id_that_is_wrong_is_named_and_nothing_is_decided(world: World) -> None:
    studio_id = await world.studio()
    (plain,) = await world.debtors(1, studio_id)
    (minor,) = await world.debtors(1, studio_id, **MINOR)
    partner_id = await world.partner()
    preview = await world.preview(partner_id)
    (elsewhere,) = await world.debtors(1, studio_id)
    ids = [plain.member_id, new_id(), minor.member_id, elsewhere.member_id]
    out = await decide_on_all(world, preview, left_out=True, member_ids=ids)
    assert fields(out) == ["member_ids.1", "member_ids.3"]
    back = await decide_on_all(world, preview, left_out=False, member_ids=ids)
    assert fields(back) == ["member_ids.1", "member_ids.2", "member_ids.3"]
    assert (await members_of(world, preview))[plain.member_id]["decided_by"] is None


async def test_nothing_is_decided_once_a_run_was_made(world: World) -> None:
    (debtor,) = await world.debtors(1, await world.studio())
    preview = await world.preview(await world.partner())
    assert (await world.post("/runs", {"preview_id": preview["preview_id"]})).status_code == 201
    alone = await decide(world, preview, debtor.member_id, left_out=True)
    together = await decide_on_all(world, preview, left_out=True, member_ids=None)
    for refused in (alone, together):
        assert refused.status_code == 409
        assert refused.json()["type"] == "urn:collection:problem:preview-used"
    assert (await world.get(f"/previews/{preview['preview_id']}"))["members"] == 1


async def test_deciding_needs_the_role_to_manage_r63(world: World) -> None:
    path = f"/previews/{new_id()}/members"
    async with world.client("collection:read") as client:
        everybody = {"left_out": True, "member_ids": None}
        assert (await client.patch(path, json=everybody)).status_code == 403
        assert (await client.put(f"{path}/{new_id()}", json={"left_out": True})).status_code == 403
