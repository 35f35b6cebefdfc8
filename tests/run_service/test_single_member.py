"""One member alone: R9."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from contracts import CollectionBlock, RunCreatedV1
from kit.ids import new_id
from tests.run_service.case_events import cancelled, opened
from tests.run_service.world import TODAY, Debtor, World, claim, euros, member, years_ago


async def debtor(world: World, *amounts: str, **values: Any) -> Debtor:
    """Set up a member whose dunning has only begun."""
    (found,) = await world.debtors(
        1, await world.studio(), *amounts, **{"passed_on": None, **values}
    )
    return found


def order(debtor: Debtor, partner_id: Any, **values: Any) -> dict[str, Any]:
    """Return the order to hand a member over."""
    return {"member_id": str(debtor.member_id), "partner_id": str(partner_id), **values}


async def test_a_member_goes_alone_from_any_dunning_level_r9(world: World) -> None:
    one, partner_id = await debtor(world, "30.00", "12.50"), await world.partner()
    response = await world.post("/handovers", order(one, partner_id))
    assert response.status_code == 201
    run = response.json()
    assert (run["trigger"], run["members"], run["claims"]) == ("SINGLE_MEMBER", 1, 2)
    assert run["totals"] == [{"amount": "42.50", "currency": "EUR"}]
    (created,) = await world.published(RunCreatedV1)
    assert created.trigger == "SINGLE_MEMBER"
    (handover,) = await world.handed_over()
    assert {each.claim_id for each in handover.claims} == set(one.claim_ids)
    await world.feed(opened(handover))
    await world.settle_all()
    assert (await world.get(f"/runs/{run['run_id']}"))["status"] == "HANDED_OVER"


async def test_a_fee_becomes_a_claim_of_the_handover_r9(world: World) -> None:
    one, partner_id = await debtor(world), await world.partner()
    fee = {"amount": "15.00", "currency": "EUR"}
    body = order(one, partner_id, fee=fee, fee_designation="Pauschale")
    response = await world.post("/handovers", body)
    assert response.json()["totals"] == [{"amount": "45.00", "currency": "EUR"}]
    (handover,) = await world.handed_over()
    due, flat_fee = handover.claims
    assert due.claim_id == one.claim_ids[0]
    assert (flat_fee.kind, flat_fee.designation) == ("FLAT_FEE", "Pauschale")
    assert flat_fee.to_collect == euros("15.00") == flat_fee.amount
    assert (flat_fee.voucher_date, flat_fee.snapshot_sequence) == (TODAY, 0)


async def test_a_fee_ends_with_its_handover_unless_its_owner_takes_it_on_r9(world: World) -> None:
    one, partner_id = await debtor(world, passed_on=TODAY), await world.partner()
    fee = {"amount": "15.00", "currency": "EUR"}
    await world.post("/handovers", order(one, partner_id, fee=fee))
    (handover,) = await world.handed_over()
    await world.feed(cancelled(handover))
    assert (await world.get("/candidates/summary"))["totals"] == [
        {"amount": "30.00", "currency": "EUR"}
    ]
    await world.feed(
        claim(handover.claims[1].claim_id, one.member_id, one.studio_id, 0, amount=euros("15.00"))
    )
    assert (await world.get("/candidates/summary"))["totals"] == [
        {"amount": "45.00", "currency": "EUR"}
    ]


async def test_neither_level_nor_minimum_holds_back_who_is_chosen_r9(world: World) -> None:
    one, partner_id = await debtor(world), await world.partner()
    async with world.client() as client:
        minimum = {"minimum_amounts": [{"amount": "50.00", "currency": "EUR"}]}
        assert (await client.put("/settings", json=minimum)).status_code == 200
    assert (await world.post("/handovers", order(one, partner_id))).status_code == 201


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"block": CollectionBlock(reason="Instalments", until=TODAY)}, "BLOCKED"),
        ({"address": None}, "INCOMPLETE_ADDRESS"),
    ],
)
async def test_who_is_left_out_of_runs_does_not_go_alone_r9(
    world: World, values: dict[str, Any], reason: str
) -> None:
    one, partner_id = await debtor(world, **values), await world.partner()
    response = await world.post("/handovers", order(one, partner_id))
    assert (response.status_code, response.json()["reason"]) == (409, reason)


async def test_who_owes_nothing_or_is_in_collection_does_not_go_r9_r11(world: World) -> None:
    one, partner_id = await debtor(world), await world.partner()
    await world.feed(claim(one.claim_ids[0], one.member_id, one.studio_id, 2, cancelled=True))
    response = await world.post("/handovers", order(one, partner_id))
    assert (response.status_code, response.json()["reason"]) == (409, "NOTHING_TO_HAND_OVER")

    other = await debtor(world)
    assert (await world.post("/handovers", order(other, partner_id))).status_code == 201
    for _ in range(2):  # before its claims are reserved, and after
        response = await world.post("/handovers", order(other, partner_id))
        assert (response.status_code, response.json()["reason"]) == (409, "IN_COLLECTION")
        await world.publish_all()


async def test_a_minor_without_guardian_goes_with_a_reason_that_is_kept_r3_r9(
    world: World,
) -> None:
    one, partner_id = await debtor(world, birth_date=years_ago(17)), await world.partner()
    response = await world.post("/handovers", order(one, partner_id, reason="  "))
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "reason"
    response = await world.post("/handovers", order(one, partner_id, reason="Court order"))
    assert response.status_code == 201
    await world.publish_all()
    async with world.context.database.connect() as connection:
        row = (await connection.execute(text("SELECT * FROM run_members"))).one()
    assert (row.taken_in_by, row.taken_in_reason) == ("staff-1", "Court order")
    assert row.taken_in_as == ["collection:manage", "collection:read"]


NOBODYS_ID = "0199e9a0-0000-7000-8000-000000000000"
"""The same each time: all processes that share the tests must find the same ones."""


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("member_id", "nobody", 422),
        ("member_id", NOBODYS_ID, 404),
        ("partner_id", NOBODYS_ID, 422),
        ("partner_id", None, 422),
        ("fee", {"amount": "0.00", "currency": "EUR"}, 422),
        ("fee.amount", {"amount": "1.001", "currency": "EUR"}, 422),
        ("fee.currency", {"amount": "1.00", "currency": "CHF"}, 422),
        ("fee_designation", "", 422),
        ("fee_designation", "x" * 201, 422),
        ("reason", "x" * 501, 422),
        ("colour", "red", 422),
    ],
)
async def test_what_is_wrong_is_named(world: World, field: str, value: Any, status: int) -> None:
    one, partner_id = await debtor(world), await world.partner()
    body = {**order(one, partner_id), field.split(".")[0]: value}
    response = await world.post("/handovers", body)
    assert response.status_code == status
    if status == 422:
        assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_a_member_that_one_may_not_see_is_not_there_r63(world: World) -> None:
    one, partner_id = await debtor(world), await world.partner()
    body = order(one, partner_id)
    for token in ({"tenant_id": new_id()}, {"studio_ids": [new_id()]}):
        response = await world.post("/handovers", body, **token)
        assert response.status_code in (404, 422)
    assert (await world.post("/handovers", body, studio_ids=[one.studio_id])).status_code == 201


async def test_the_same_order_again_hands_over_once(world: World) -> None:
    one, partner_id = await debtor(world), await world.partner()
    body = order(one, partner_id)
    first, again = [await world.post("/handovers", body, key="one") for _ in range(2)]
    assert first.json() == again.json()
    assert len(await world.handed_over()) == 1


async def test_a_member_of_a_preview_that_went_alone_is_in_collection_r11(world: World) -> None:
    one = await debtor(world, passed_on=TODAY - timedelta(days=1))
    partner_id = await world.partner()
    preview = await world.preview(partner_id)
    assert (await world.post("/handovers", order(one, partner_id))).status_code == 201
    response = await world.post("/runs", {"preview_id": preview["preview_id"]})
    assert response.status_code == 409
    assert response.json()["members"][0]["reason"] == "IN_COLLECTION"


async def test_a_member_before_its_studio_is_not_there_yet_r12(world: World) -> None:
    member_id, studio_id = new_id(), new_id()
    await world.feed(member(member_id, studio_id), claim(new_id(), member_id, studio_id))
    body = {"member_id": str(member_id), "partner_id": str(await world.partner())}
    assert (await world.post("/handovers", body)).status_code == 404
