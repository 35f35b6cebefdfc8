"""Staff see all money that no claim could take, until they settle it (R29)."""

from typing import Any

from kit.ids import new_id
from tests.case_service.world import World, closed, euros, money, paid, studio


async def listed(world: World, query: str = "", **how: Any) -> list[str]:
    """Return the ids of the payments on all pages of one, in their order."""
    ids: list[str] = []
    cursor = ""
    while True:
        page = (await world.ask("GET", f"/unallocated?limit=1{query}{cursor}", **how)).json()
        ids += [each["payment_id"] for each in page["items"]]
        if page["next"] is None:
            return ids
        cursor = f"&cursor={page['next']}"


async def test_open_unallocated_amounts_are_listed_with_whose_they_are(world: World) -> None:
    """R29."""
    case = await world.open()
    await world.deliver(paid(case, "45.00", own_fees=euros("3.00")))
    await world.deliver(closed(case))

    (shown,) = (await world.ask("GET", "/unallocated")).json()["items"]

    assert shown.pop("recorded_at")
    assert (await world.case(case))["payments"][0]["payment_id"] == shown.pop("payment_id")
    assert shown == {
        "case_id": str(case.case_id),
        "case_status": "CLOSED",
        "studio_id": str(case.studio.studio_id),
        "partner_id": str(case.partner_id),
        "member": {
            "member_id": str(case.member_id),
            "name": "Zoë Müller",
            "membership_number": "000123",
        },
        "amount": money("45.00"),
        "unallocated": money("15.00"),
        "own_fees": money("3.00"),
        "booking_date": "2026-03-20",
        "partner_reference": "P-1",
    }


async def test_the_oldest_come_first_and_go_when_they_are_settled(world: World) -> None:
    """R29."""
    case = await world.open()
    await world.pay(case, "1.00")
    first = await world.receive(case, "40.00", "P-1")
    second = await world.receive(case, "5.00", "P-2")
    assert await listed(world) == [first, second]

    await world.settle(case, first, "PAID_BACK", amount=money("10.00"))
    assert await listed(world) == [first, second]
    await world.settle(case, first, "GIVEN_TO_DEBTOR", amount=money("1.00"))

    assert await listed(world) == [second]


async def test_the_list_is_narrowed_by_partner_studio_and_member(world: World) -> None:
    """R63."""
    north = studio()
    case, other = await world.open(studio=north), await world.open()
    first = await world.receive(case, "45.00")
    second = await world.receive(other, "45.00")

    assert await listed(world) == [first, second]
    assert await listed(world, f"&partner_id={case.partner_id}") == [first]
    assert await listed(world, f"&studio_id={other.studio.studio_id}") == [second]
    assert await listed(world, f"&member_id={case.member_id}") == [first]
    assert await listed(world, f"&member_id={new_id()}") == []
    assert await listed(world, studio_ids=[north.studio_id]) == [first]
    assert await listed(world, studio_ids=[]) == []
    assert await listed(world, tenant_id=new_id()) == []
    assert (await world.ask("GET", "/unallocated?cursor=x")).status_code == 422
