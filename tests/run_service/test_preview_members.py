"""Members of a preview, found and sorted: R2, R3."""

from datetime import timedelta
from typing import Any

import pytest

from contracts import Money
from kit import cursors
from kit.ids import new_id
from tests.run_service.world import TODAY, World, claim, euros, member, years_ago

# First name, surname, membership number, amount; by studio and name.
NORTH = [("Zoë", "Ahrens", "0009", "10.00"), ("Ada", "Öztürk", "0100", "999.50")]
SOUTH = [("Bo", "Ahrens", "0012", "30.00"), ("Uwe", "Berg", "0003", "10.00")]


async def preview_of(world: World) -> Any:
    """Make a preview of the members above."""
    for studio_name, people in (("South", SOUTH), ("North", NORTH)):
        studio_id = await world.studio(studio_name)
        for first_name, name1, number, amount in people:
            member_id = new_id()
            snapshot = member(member_id, studio_id, first_name=first_name, name1=name1)
            await world.feed(
                snapshot.model_copy(update={"membership_number": number}),
                claim(new_id(), member_id, studio_id, amount=euros(amount)),
            )
    return await world.preview(await world.partner())


async def listed(world: World, preview: Any, **query: Any) -> list[Any]:
    """Return all members in pages of one."""
    path = f"/previews/{preview['preview_id']}/members"
    items: list[Any] = []
    async with world.client() as client:
        cursor = None
        while True:
            here = query if cursor is None else {**query, "cursor": cursor}
            response = await client.get(path, params={**here, "limit": 1})
            assert response.status_code == 200, response.text
            items += response.json()["items"]
            cursor = response.json()["next"]
            if cursor is None:
                return items


def numbers(items: list[Any]) -> list[str]:
    """Return the membership numbers of members."""
    return [item["membership_number"] for item in items]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("studio", ["0009", "0100", "0012", "0003"]),
        ("name", ["0012", "0009", "0003", "0100"]),
        ("membership_number", ["0003", "0009", "0012", "0100"]),
        ("total", ["0009", "0003", "0012", "0100"]),
    ],
)
async def test_members_are_sorted_either_way_page_by_page_r2(
    world: World, sort: str, expected: list[str]
) -> None:
    preview = await preview_of(world)
    assert numbers(await listed(world, preview, sort=sort)) == expected
    assert numbers(await listed(world, preview, sort=f"-{sort}")) == expected[::-1]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("ahrens", ["0009", "0012"]),
        ("oztu", ["0100"]),
        ("OEZTUERK ada", ["0100"]),
        ("zoe 0009", ["0009"]),
        ("ahrens 0100", []),
        ("00", ["0009", "0100", "0012", "0003"]),
        (" ", ["0009", "0100", "0012", "0003"]),
        ("%", []),
        ("_h", []),
        ("\\", []),
    ],
)
async def test_members_are_found_by_each_word_of_a_search_r2(
    world: World, search: str, expected: list[str]
) -> None:
    preview = await preview_of(world)
    assert numbers(await listed(world, preview, search=search)) == expected


async def test_members_are_filtered_by_studio_reason_and_age_r2_r3(world: World) -> None:
    north, south = await world.studio("North"), await world.studio("South")
    await world.debtors(1, north, first_name="In")
    await world.debtors(1, south, first_name="Minor", birth_date=years_ago(16))
    await world.debtors(1, south, first_name="Nowhere", address=None)
    preview = await world.preview(await world.partner())

    async def names(**query: Any) -> list[str]:
        return [item["name"].split()[0] for item in await listed(world, preview, **query)]

    assert await names(studio_id=north) == ["In"]
    assert await names(studio_id=new_id()) == []
    assert await names(left_out=False) == ["In"]
    assert await names(left_out=True) == ["Minor", "Nowhere"]
    assert await names(reason="INCOMPLETE_ADDRESS") == ["Nowhere"]
    assert await names(reason="CHANGED") == []
    assert await names(minor=True) == ["Minor"]
    assert await names(minor=False, studio_id=south) == ["Nowhere"]


async def test_a_cursor_is_of_one_preview_order_and_search(world: World) -> None:
    preview = await preview_of(world)
    other = await world.preview(preview["partner_id"])
    path = f"/previews/{preview['preview_id']}/members"
    page = await world.get(f"{path}?limit=1&sort=name&search=a")
    assert page["next"] is not None
    elsewhere = f"/previews/{other['preview_id']}/members"
    async with world.client() as client:
        others: list[tuple[str, dict[str, Any]]] = [
            (path, {"sort": "-name", "search": "a"}),
            (path, {"search": "a"}),
            (path, {"sort": "name", "search": "b"}),
            (path, {"sort": "name", "search": "a", "left_out": False}),
            (elsewhere, {"sort": "name", "search": "a"}),
        ]
        for address, query in others:
            refused = await client.get(address, params={**query, "cursor": page["next"]})
            assert refused.status_code == 422
            assert refused.json()["errors"][0]["field"] == "cursor"
        (list_name, _) = cursors.decode(page["next"], [str, int])
        for made_up in ([list_name, 99], [list_name, 2**31], [list_name], [list_name, "1"], []):
            query = {"sort": "name", "search": "a", "cursor": cursors.encode(made_up)}
            refused = await client.get(path, params=query)
            assert refused.status_code == 422
            assert refused.json()["errors"][0]["field"] == "cursor"


async def test_a_page_goes_on_after_its_last_member_was_left_out(world: World) -> None:
    preview = await preview_of(world)
    path = f"/previews/{preview['preview_id']}/members"
    page = await world.get(f"{path}?limit=2&left_out=false")
    async with world.client() as client:
        last = page["items"][-1]["member_id"]
        await client.put(f"{path}/{last}", json={"left_out": True})
    rest = await world.get(f"{path}?limit=2&left_out=false&cursor={page['next']}")
    assert numbers(rest["items"]) == ["0012", "0003"]


async def test_a_member_is_shown_as_it_was_with_its_claims_r2_r3(world: World) -> None:
    studio_id, member_id = await world.studio(), new_id()
    birth_date = (years_ago(18) - timedelta(days=180)).replace(day=1)  # never 29 February
    claim_ids = {"new": new_id(), "old": new_id()}

    def claims(sequence: int, paid_directly: str) -> list[Any]:
        days = {"new": TODAY - timedelta(days=30), "old": TODAY - timedelta(days=500)}
        return [
            claim(
                claim_id,
                member_id,
                studio_id,
                sequence,
                voucher_date=days[name],
                paid_directly=paid_directly,
            )
            for name, claim_id in claim_ids.items()
        ]

    await world.feed(*claims(4, "1.00"), member(member_id, studio_id, 7, birth_date=birth_date))
    preview = await world.preview(await world.partner())
    await world.feed(*claims(5, "29.00"), member(member_id, studio_id, 8, name1="Renamed"))

    path = f"/previews/{preview['preview_id']}/members"
    seen = await world.get(f"{path}/{member_id}")
    assert (await world.get(path))["items"] == [seen]
    assert (seen["name"], seen["membership_number"], seen["sequence"]) == ("Eva Muster", "0042", 7)
    assert seen["total"] == {"amount": "58.00", "currency": "EUR"}
    assert [each["claim_id"] for each in seen["claims"]] == [
        str(claim_ids["old"]),
        str(claim_ids["new"]),
    ]
    voucher_date = TODAY - timedelta(days=500)
    assert seen["claims"][0] == {
        "claim_id": str(claim_ids["old"]),
        "sequence": 4,
        "kind": "CLAIM",
        "designation": "Fee",
        "voucher_date": voucher_date.isoformat(),
        "due_date": (voucher_date + timedelta(days=14)).isoformat(),
        "to_collect": {"amount": "29.00", "currency": "EUR"},
    }
    assert seen["minor"] is True
    assert seen["came_of_age_on"] == birth_date.replace(year=birth_date.year + 18).isoformat()
    assert (seen["left_out"], seen["left_out_reason"]) == (True, "MINOR_WITHOUT_GUARDIAN")
    assert (seen["decided_by"], seen["decided_as"], seen["decision_reason"]) == (None, None, None)


async def test_members_with_several_currencies_have_no_total_and_come_first_by_it_r2(
    world: World,
) -> None:
    studio_id = await world.studio()
    await world.debtors(1, studio_id, "5.00")
    (mixed,) = await world.debtors(1, studio_id, "5.00", name1="Abel")
    francs = Money(amount=euros("7.00").amount, currency="CHF")
    await world.feed(claim(new_id(), mixed.member_id, studio_id, amount=francs))
    preview = await world.preview(await world.partner())
    first, second = await listed(world, preview, sort="total")
    assert (first["total"], first["left_out_reason"]) == (None, "MIXED_CURRENCIES")
    assert sorted(each["to_collect"]["currency"] for each in first["claims"]) == ["CHF", "EUR"]
    assert second["total"] == {"amount": "5.00", "currency": "EUR"}
    assert await listed(world, preview, sort="-total") == [second, first]


async def test_a_member_that_the_preview_does_not_hold_is_not_found(world: World) -> None:
    preview = await preview_of(world)
    async with world.client() as client:
        path = f"/previews/{preview['preview_id']}/members/{new_id()}"
        assert (await client.get(path)).status_code == 404
        assert (await client.put(path, json={"left_out": True})).status_code == 404
