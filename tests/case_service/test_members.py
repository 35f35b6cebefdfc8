"""Everyone ever handed over is in one overview, and found in it (R20)."""

from datetime import date
from typing import Any

from contracts import MemberHandedOverV1
from kit.ids import new_id
from tests.case_service.world import World, claim, closed, debtor, money, rejected, studio


async def found(world: World, query: str, **how: Any) -> list[str]:
    """Return the ids of the members on all pages of one, in their order."""
    ids: list[str] = []
    cursor = ""
    while True:
        page = (await world.ask("GET", f"/members?limit=1&{query}{cursor}", **how)).json()
        ids += [each["member_id"] for each in page["items"]]
        if page["next"] is None:
            return ids
        cursor = f"&cursor={page['next']}"


def members_of(*cases: MemberHandedOverV1) -> list[str]:
    """Return the ids of the members of cases."""
    return [str(case.member_id) for case in cases]


async def test_the_overview_shows_everyone_ever_handed_over(world: World) -> None:
    """R20."""
    first = await world.open()
    with_second_line = debtor(first.member_id, name2="Zweigstelle")
    second = await world.open(member_id=first.member_id, debtor=with_second_line)
    guardian = debtor(
        minor := new_id(),
        name1="Vormund",
        liable_person="LEGAL_GUARDIAN",
        represented_member_name="Kim Klein",
        membership_number="0007",
    )
    await world.open(member_id=minor, debtor=guardian)

    page = (await world.ask("GET", "/members?limit=1")).json()
    rest = (await world.ask("GET", f"/members?cursor={page['next']}")).json()

    shown = {each["member_id"]: each for each in page["items"] + rest["items"]}
    assert shown[str(minor)]["name"] == "Kim Klein"
    assert shown[str(minor)]["membership_number"] == "0007"
    assert shown[str(first.member_id)]["name"] == "Zoë Müller"
    assert shown[str(first.member_id)]["last_handed_over_on"] == "2026-03-02"
    cases = shown[str(first.member_id)]["cases"]
    assert [each["case_id"] for each in cases] == [str(second.case_id), str(first.case_id)]
    assert (cases[0]["collection_date"], cases[0]["status"]) == ("2026-03-02", "OPEN")
    assert cases[0]["handed_over"] == money("30.00")
    assert rest["next"] is None


async def test_members_come_once_each_by_their_newest_handover(world: World) -> None:
    first = await world.open(collection_date=date(2026, 1, 1))
    second = await world.open(collection_date=date(2026, 2, 1))
    third = await world.open(collection_date=date(2026, 2, 15))
    again = await world.open(member_id=first.member_id, collection_date=date(2026, 3, 1))

    assert await found(world, "") == members_of(again, third, second)
    assert await found(world, "to=2026-02-10") == members_of(second, first)
    assert await found(world, "from=2026-02-01&to=2026-02-10") == members_of(second)


async def test_members_are_found_by_a_case_to_which_all_filters_apply(world: World) -> None:
    partner_id, north = new_id(), studio()
    one = await world.open(partner_id=partner_id, studio=north)
    other = await world.open(member_id=one.member_id)
    await world.deliver(closed(other))
    refused = await world.open(partner_id=partner_id, partner_channel="API")
    await world.deliver(rejected(refused))

    assert await found(world, f"partner_id={partner_id}") == members_of(refused, one)
    assert await found(world, f"partner_id={partner_id}&status=CLOSED") == []
    assert await found(world, "status=CLOSED&status=OPEN") == members_of(other)
    assert await found(world, f"studio_id={north.studio_id}") == members_of(one)
    assert await found(world, f"studio_id={north.studio_id}&search=zoe mull") == members_of(one)
    assert await found(world, "search=meier") == []
    (shown,) = (await world.ask("GET", "/members?status=CLOSED")).json()["items"]
    assert {each["case_id"] for each in shown["cases"]} == {str(one.case_id), str(other.case_id)}


async def test_members_with_something_open_again_are_found(world: World) -> None:
    """R23."""
    case = await world.open(claim("30.00"))
    payment_id = (await world.pay(case, "30.00")).json()["payment_id"]
    await world.close(case)
    await world.open()
    await world.reduce(case, payment_id, "10.00")

    assert await found(world, "open_again=true") == members_of(case)


async def test_a_studio_sees_its_own_handovers_of_a_member(world: World) -> None:
    """R63: nor does the order tell of handovers elsewhere."""
    north, south = studio(), studio()
    first = await world.open(studio=north, collection_date=date(2026, 1, 1))
    second = await world.open(studio=north, collection_date=date(2026, 2, 1))
    day = date(2026, 3, 1)
    await world.open(member_id=first.member_id, studio=south, collection_date=day)

    narrowed = [north.studio_id]
    assert await found(world, "", studio_ids=narrowed) == members_of(second, first)
    page = await world.ask("GET", "/members", studio_ids=narrowed)
    shown = page.json()["items"][1]
    assert shown["last_handed_over_on"] == "2026-01-01"
    assert [each["case_id"] for each in shown["cases"]] == [str(first.case_id)]
    both = [north.studio_id, south.studio_id]
    assert await found(world, "status=OPEN&status=CLOSED", studio_ids=both) == members_of(
        first, second
    )
    assert await found(world, f"studio_id={south.studio_id}", studio_ids=narrowed) == []


async def test_who_may_not_see_the_latest_handover_learns_nothing_from_it(world: World) -> None:
    """R63: neither name, number nor studio, and a search for them finds nobody."""
    north, south = studio(), studio()
    first = await world.open(studio=north)
    moved = debtor(first.member_id, name1="Neugeheim", membership_number="S-77")
    second = await world.open(
        studio=south, member_id=first.member_id, debtor=moved, collection_date=date(2026, 3, 9)
    )
    narrowed = [north.studio_id]

    (member,) = (await world.ask("GET", "/members", studio_ids=narrowed)).json()["items"]
    assert (member["name"], member["membership_number"]) == (None, None)
    assert member["studio_id"] == str(north.studio_id)
    (case,) = (await world.ask("GET", "/cases", studio_ids=narrowed)).json()["items"]
    assert (case["name"], case["membership_number"]) == (None, None)
    for path in ("/members", "/cases"):
        for word in ("Neugeheim", "S-77"):
            answer = await world.ask("GET", f"{path}?search={word}", studio_ids=narrowed)
            assert answer.json()["items"] == []
    seen = await world.ask("GET", "/cases?search=neugeheim", studio_ids=[south.studio_id])
    assert [each["case_id"] for each in seen.json()["items"]] == [str(second.case_id)]
