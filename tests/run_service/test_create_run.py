"""Making runs: R4, R5, R7, R11."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from contracts import CollectionBlock, Money, RunCreatedV1
from kit import cursors
from kit.ids import new_id
from tests.run_service.world import TODAY, World, claim, euros, member, years_ago


def problem_of(response: Any) -> str:
    """Return the name of the problem that a response says."""
    return str(response.json()["type"]).removeprefix("urn:collection:problem:")


async def order(world: World, preview: Any, **more: Any) -> Any:
    """Order a run of a preview; return the response."""
    return await world.post("/runs", {"preview_id": preview["preview_id"], **more})


async def test_a_run_holds_what_the_preview_showed_r4_r7(world: World) -> None:
    partner_id = await world.partner("API")
    north, south = await world.studio("North"), await world.studio("South")
    await world.debtors(2, south, "10.00", "5.00")
    await world.debtors(1, north)
    run = await world.run(partner_id)
    assert run["booking_number"] == f"{TODAY.year}-000001"
    assert (run["status"], run["partner_channel"]) == ("IN_PROGRESS", "API")
    assert (run["members"], run["claims"]) == (3, 5)
    assert run["totals"] == [{"amount": "60.00", "currency": "EUR"}]
    assert (run["published"], run["answered"]) == (0, 0)

    studios = (await world.get(f"/runs/{run['run_id']}/studios"))["items"]
    assert [(each["name"], each["members"], each["claims"]) for each in studios] == [
        ("North", 1, 1),
        ("South", 2, 4),
    ]
    assert (await world.get(f"/runs/{run['run_id']}/members"))["items"] == []
    await world.publish_all()
    members = (await world.get(f"/runs/{run['run_id']}/members"))["items"]
    assert [each["booking_number"] for each in members] == [1, 2, 3]
    assert [each["studio_id"] for each in members] == [str(north), str(south), str(south)]
    assert [each["open"]["amount"] for each in members] == ["30.00", "15.00", "15.00"]
    assert {each["case_status"] for each in members} == {"PENDING"}

    (created,) = await world.published(RunCreatedV1)
    assert (created.member_count, created.claim_count) == (3, 5)
    assert created.totals == (euros("60.00"),)
    assert [studio.member_count for studio in created.studios] == [1, 2]
    assert created.created_by == "staff-1"


async def test_booking_numbers_have_no_gaps_by_tenant_r5(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    numbers = []
    for _ in range(2):
        await world.debtors(1, studio_id)
        preview = await world.preview(partner_id)
        numbers.append((await order(world, preview)).json()["booking_number"])
        assert problem_of(await order(world, preview)) == "preview-used"
    empty = await world.preview(partner_id)
    assert problem_of(await order(world, empty)) == "nobody-to-hand-over"
    await world.debtors(1, studio_id)
    numbers.append((await world.run(partner_id))["booking_number"])
    assert numbers == [f"{TODAY.year}-000001", f"{TODAY.year}-000002", f"{TODAY.year}-000003"]


async def test_the_same_order_again_is_the_same_run(world: World) -> None:
    partner_id = await world.partner()
    await world.debtors(1, await world.studio())
    preview = await world.preview(partner_id)
    body = {"preview_id": preview["preview_id"]}
    first = await world.post("/runs", body, key="order-1")
    again = await world.post("/runs", body, key="order-1")
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len((await world.get("/runs"))["items"]) == 1


CHANGES = {
    "amount": "CLAIMS_CHANGED",
    "paid": "NO_CANDIDATE",
    "cancelled": "NO_CANDIDATE",
    "another claim": "CLAIMS_CHANGED",
    "disputed": "DISPUTED",
    "other currency": "MIXED_CURRENCIES",
    "blocked": "BLOCKED",
    "dunning": "NO_CANDIDATE",
    "other version": "CLAIMS_CHANGED",
    "moved": "STUDIO_CHANGED",
    "no address": "INCOMPLETE_ADDRESS",
    "minor": "MINOR_WITHOUT_GUARDIAN",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_member_that_changed_is_refused_by_name_and_the_rest_can_go_on_r4(
    world: World, change: str
) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    elsewhere = await world.studio("Elsewhere")
    debtors = await world.debtors(3, studio_id)
    changed = debtors[1]
    preview = await world.preview(partner_id)
    ids = (changed.claim_ids[0], changed.member_id, studio_id)
    block = CollectionBlock(reason="Instalments")
    francs = Money(amount=Decimal("5.00"), currency="CHF")
    no_address = member(changed.member_id, studio_id, 2).model_copy(update={"address": None})
    await world.feed(
        {
            "amount": claim(*ids, 2, amount=euros("31.00")),
            "paid": claim(*ids, 2, paid_directly="30.00"),
            "cancelled": claim(*ids, 2, cancelled=True),
            "another claim": claim(new_id(), changed.member_id, studio_id),
            "blocked": member(changed.member_id, studio_id, 2, block=block),
            "dunning": member(changed.member_id, studio_id, 2, passed_on=None),
            "disputed": claim(*ids, 2, disputed=True),
            "other currency": claim(new_id(), changed.member_id, studio_id, amount=francs),
            "other version": claim(*ids, 2),
            "moved": member(changed.member_id, elsewhere, 2),
            "no address": no_address,
            "minor": member(changed.member_id, studio_id, 2, birth_date=years_ago(15)),
        }[change]
    )
    refused = await order(world, preview)
    assert refused.status_code == 409
    assert problem_of(refused) == "members-changed"
    assert refused.json()["members"] == [
        {
            "member_id": str(changed.member_id),
            "name": "Eva Muster 00001",
            "reason": CHANGES[change],
        }
    ]
    assert refused.json()["members_total"] == 1
    run = (await order(world, preview, leave_out_changed=True)).json()
    assert run["members"] == 2
    await world.publish_all()
    members = (await world.get(f"/runs/{run['run_id']}/members"))["items"]
    assert [each["booking_number"] for each in members] == [1, 2]
    assert str(changed.member_id) not in {each["member_id"] for each in members}


async def test_a_member_with_another_name_or_guardian_of_an_adult_is_unchanged_r4(
    world: World,
) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    (debtor,) = await world.debtors(1, studio_id)
    preview = await world.preview(partner_id)
    await world.feed(member(debtor.member_id, studio_id, 2, name1="Renamed"))
    assert (await order(world, preview)).status_code == 201
    (handover,) = await world.handed_over()
    assert handover.debtor.name1 == "Muster 00000"


async def test_a_change_of_a_member_that_is_left_out_does_not_matter_r4(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    left_out, _ = await world.debtors(2, studio_id)
    preview = await world.preview(partner_id)
    async with world.client() as client:
        path = f"/previews/{preview['preview_id']}/members/{left_out.member_id}"
        await client.put(path, json={"left_out": True})
    await world.feed(claim(left_out.claim_ids[0], left_out.member_id, studio_id, 2, cancelled=True))
    assert (await order(world, preview)).json()["members"] == 1


async def test_claims_in_another_run_are_no_candidates_and_are_refused_r11(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    debtors = await world.debtors(2, studio_id)
    first, second = await world.preview(partner_id), await world.preview(partner_id)
    assert (await order(world, first)).status_code == 201
    assert (await world.get("/candidates/summary"))["members"] == 0
    refused = await order(world, second)
    assert refused.status_code == 409
    assert problem_of(refused) == "claims-already-in-collection"
    assert {(each["member_id"], each["reason"]) for each in refused.json()["members"]} == {
        (str(debtor.member_id), "IN_COLLECTION") for debtor in debtors
    }
    await world.publish_all()
    assert (await world.get("/candidates/summary"))["members"] == 0
    assert (await order(world, second)).json()["members"] == refused.json()["members"]
    nobody = await order(world, second, leave_out_changed=True)
    assert problem_of(nobody) == "nobody-to-hand-over"


async def test_a_new_claim_of_a_member_in_collection_can_go_alone_r11(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    (debtor,) = await world.debtors(1, studio_id)
    await world.run(partner_id)
    await world.publish_all()
    new_claim = claim(new_id(), debtor.member_id, studio_id, amount=euros("8.00"))
    await world.feed(new_claim)
    run = await world.run(partner_id)
    assert run["totals"] == [{"amount": "8.00", "currency": "EUR"}]


@pytest.mark.parametrize("leave_out_changed", [False, True])
async def test_of_overlapping_runs_at_once_one_gets_each_claim_r11(
    world: World, leave_out_changed: bool
) -> None:
    partner_id = await world.partner()
    north, south = await world.studio("North"), await world.studio("South")
    shared = await world.debtors(30, north)
    alone = await world.debtors(1, south)
    previews = [
        await world.preview(partner_id, studio_ids=studio_ids)
        for studio_ids in ([north], [north, south], [south, north], [north])
    ]
    *responses, _ = await asyncio.gather(
        *(order(world, preview, leave_out_changed=leave_out_changed) for preview in previews),
        world.publish_all(),
    )
    await world.publish_all()
    made = [each.json() for each in responses if each.status_code == 201]
    refused = [each for each in responses if each.status_code == 409]
    assert len(made) + len(refused) == 4
    if leave_out_changed:
        assert sum(run["members"] for run in made) == len(shared) + len(alone)
        assert {problem_of(each) for each in refused} == {"nobody-to-hand-over"}
    else:
        assert len(made) == 1
        for each in refused:
            assert problem_of(each) == "claims-already-in-collection"
            assert len(each.json()["members"]) >= len(shared)
    async with world.context.database.connect() as connection:
        held = "SELECT claim_id FROM reservations WHERE released_at IS NULL"
        claim_ids = list(await connection.scalars(text(held)))
    assert len(claim_ids) == len(set(claim_ids)) == sum(run["claims"] for run in made)


async def test_the_database_itself_refuses_a_second_reservation_r11(world: World) -> None:
    partner_id = await world.partner()
    await world.debtors(1, await world.studio())
    await world.run(partner_id)
    await world.publish_all()
    again = """
        INSERT INTO reservations (tenant_id, run_id, member_id, claim_id, voucher_id, to_collect)
        SELECT tenant_id, uuidv7(), member_id, claim_id, uuidv7(), to_collect FROM reservations
    """
    with pytest.raises(IntegrityError):
        async with world.context.database.begin() as connection:
            await connection.execute(text(again))


async def test_runs_are_listed_newest_first_by_period_status_and_partner_r5(world: World) -> None:
    studio_id = await world.studio()
    partners = [await world.partner(), await world.partner()]
    made = []
    for partner_id in partners:
        await world.debtors(1, studio_id)
        made.append(await world.run(partner_id))
    old, new = made
    page = await world.get("/runs?limit=1")
    assert [run["run_id"] for run in page["items"]] == [new["run_id"]]
    rest = await world.get(f"/runs?limit=1&cursor={page['next']}")
    assert ([run["run_id"] for run in rest["items"]], rest["next"]) == ([old["run_id"]], None)
    async with world.client() as client:
        for part in ("members", "studios"):
            beyond = f"/runs/{old['run_id']}/{part}?cursor={cursors.encode([2**31])}"
            assert (await client.get(beyond)).json()["errors"][0]["field"] == "cursor"
    by_partner = await world.get(f"/runs?partner_id={partners[0]}")
    assert [run["run_id"] for run in by_partner["items"]] == [old["run_id"]]
    assert (await world.get("/runs?status=CANCELLED"))["items"] == []

    async with world.context.database.begin() as connection:
        months_ago = "UPDATE runs SET collection_date = collection_date - 120 WHERE run_id = :id"
        await connection.execute(text(months_ago), {"id": old["run_id"]})
    assert [run["run_id"] for run in (await world.get("/runs"))["items"]] == [new["run_id"]]
    since = (await world.get("/runs?from=2020-01-01"))["items"]
    assert [run["run_id"] for run in since] == [new["run_id"], old["run_id"]]


async def test_runs_are_seen_by_their_tenant_and_by_studio_r63(world: World) -> None:
    partner_id = await world.partner()
    north, south = await world.studio("North"), await world.studio("South")
    await world.debtors(2, north)
    await world.debtors(1, south, "5.00")
    run = await world.run(partner_id)
    path = f"/runs/{run['run_id']}"
    async with world.client(tenant_id=new_id()) as client:
        for part in ("", "/members", "/studios", "/reversal"):
            assert (await client.get(path + part)).status_code == 404
        assert (await client.get("/runs")).json()["items"] == []
    await world.publish_all()
    seen = await world.get(path, studio_ids=[south])
    assert (seen["members"], seen["published"]) == (1, 1)
    assert seen["totals"] == [{"amount": "5.00", "currency": "EUR"}]
    members = await world.get(f"{path}/members", studio_ids=[south])
    assert [each["booking_number"] for each in members["items"]] == [3]
    studios = await world.get(f"{path}/studios", studio_ids=[south])
    assert [each["name"] for each in studios["items"]] == ["South"]
    assert (await world.get("/runs", studio_ids=[new_id()]))["items"] == []


async def test_making_runs_needs_the_role_to_manage(world: World) -> None:
    body = {"preview_id": str(new_id())}
    refused = await world.post("/runs", body, subject="reader")
    assert refused.status_code == 404
    async with world.client("collection:read") as client:
        headers = {"Idempotency-Key": "k"}
        assert (await client.post("/runs", json=body, headers=headers)).status_code == 403


async def test_a_claim_that_moved_while_it_goes_is_in_collection_r11(world: World) -> None:
    studio_id, partner_id = await world.studio(), await world.partner()
    one, other = await world.debtors(2, studio_id)
    alone = {"member_id": str(one.member_id), "partner_id": str(partner_id)}
    assert (await world.post("/handovers", alone)).status_code == 201
    await world.feed(claim(one.claim_ids[0], other.member_id, studio_id, 2))

    preview = await world.preview(partner_id)
    response = await world.post("/runs", {"preview_id": preview["preview_id"]})
    assert response.status_code == 409
    assert [(each["member_id"], each["reason"]) for each in response.json()["members"]] == [
        (str(other.member_id), "IN_COLLECTION")
    ]
    response = await world.post("/handovers", {**alone, "member_id": str(other.member_id)})
    assert (response.status_code, response.json()["reason"]) == (409, "IN_COLLECTION")

    (handover,) = await world.handed_over()
    assert handover.member_id == one.member_id
    await world.run(partner_id)  # of what the other one owes besides
    _, handover = await world.handed_over()
    assert {each.claim_id for each in handover.claims} == set(other.claim_ids)
