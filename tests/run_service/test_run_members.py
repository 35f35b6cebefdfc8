"""The members of a run, found, and looked at one by one: R3, R6, R63."""

from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import MemberHandedOverV1
from kit.ids import new_id
from tests.run_service.case_events import closed, opened, paid, reduced, rejected
from tests.run_service.world import World, claim, euros, years_ago


async def members(world: World, run_id: str, query: str = "", **token: Any) -> list[Any]:
    """Return the members of a run that a query finds, over all pages of two."""
    items, cursor = [], ""
    while True:
        page = await world.get(f"/runs/{run_id}/members?limit=2&{query}{cursor}", **token)
        items += page["items"]
        if page["next"] is None:
            return items
        cursor = f"&cursor={page['next']}"


NAMES = ["Ängström", "Müller", "Mueller", "Straße", "Łukasz 100%", "O'Neil_x"]
SEARCHES = [
    ("", NAMES),
    ("  ", NAMES),
    ("angstrom", ["Ängström"]),
    ("ÄNGSTRÖM", ["Ängström"]),
    ("aengstroem", ["Ängström"]),
    ("muller", ["Müller", "Mueller"]),
    ("MÜLLER", ["Müller", "Mueller"]),
    ("ulle", ["Müller", "Mueller"]),
    ("strasse", ["Straße"]),
    ("lukasz", ["Łukasz 100%"]),
    ("muller eva", ["Müller", "Mueller"]),
    ("eva adam", []),
    ("0042", NAMES),
    ("muller 42", ["Müller", "Mueller"]),
    ("%", ["Łukasz 100%"]),
    ("_", ["O'Neil_x"]),
    ("'", ["O'Neil_x"]),
    ("\\", []),
    ("x" * 200, []),
]


async def test_members_are_found_by_a_part_of_name_or_number_r6(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    for name in NAMES:
        await world.debtors(1, studio_id, name1=name)
    run_id = (await world.run(partner_id))["run_id"]
    await world.publish_all()
    for search, expected in SEARCHES:
        found = await members(world, run_id, f"search={quote(search)}")
        names = sorted(each["name"] for each in found)
        assert names == sorted(f"Eva {name}" for name in expected), search


async def test_members_are_found_by_status_and_studio_and_words_together_r6(world: World) -> None:
    partner_id = await world.partner("API")
    north, south = await world.studio("North"), await world.studio("South")
    for studio_id in (north, south):
        await world.debtors(2, studio_id, name1="Muster")
        await world.debtors(1, studio_id, name1="Anders")
    run_id = (await world.run(partner_id))["run_id"]
    handovers = await world.handed_over()
    await world.feed(*(opened(each) for each in handovers[1:5]), rejected(handovers[5]))

    async def found(query: str, **token: Any) -> list[int]:
        return [each["booking_number"] for each in await members(world, run_id, query, **token)]

    assert await found("") == [1, 2, 3, 4, 5, 6]
    assert await found("case_status=OPEN") == [2, 3, 4, 5]
    assert await found("case_status=PENDING") == [1]
    assert await found("case_status=CLOSED") == []
    assert await found(f"studio_id={south}") == [4, 5, 6]
    assert await found(f"studio_id={south}", studio_ids=[north]) == []
    assert await found("", studio_ids=[north]) == [1, 2, 3]
    assert await found("search=muster") == [2, 3, 5, 6]
    assert await found(f"search=muster&studio_id={south}&case_status=OPEN") == [5]
    assert await found(f"search=muster&studio_id={new_id()}") == []


async def test_members_are_there_once_they_were_handed_over_r6(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("run_service.runs.publish_handovers.BATCH", 2)
    partner_id = await world.partner()
    debtors = await world.debtors(3, await world.studio())
    run_id = (await world.run(partner_id))["run_id"]
    assert await members(world, run_id) == []
    assert (await world.get(f"/runs/{run_id}"))["members"] == 3
    await world.publish_all()
    assert [each["member_id"] for each in await members(world, run_id)] == [
        str(debtor.member_id) for debtor in debtors
    ]
    (first, *_) = await world.handed_over()
    member = (await members(world, run_id))[0]
    assert member["case_id"] == str(first.case_id)
    assert member["handed_over"] == member["open"] == {"amount": "30.00", "currency": "EUR"}
    assert (member["membership_number"], member["name"]) == ("0042", "Eva Muster 00000")


CENTS = st.integers(1, 4000)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["pay", "amount", "direct"]), CENTS),
        st.tuples(st.sampled_from(["pay back", "cancel", "close"]), st.just(0)),
    ),
    max_size=6,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(CHANGES)
async def test_what_is_open_is_right_after_anything_that_happens_to_a_claim_r6(
    world: World, changes: list[tuple[str, int]]
) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    (debtor,) = await world.debtors(1, studio_id, "30.00", "7.00")
    order = {"member_id": str(debtor.member_id), "partner_id": str(partner_id)}
    run_id = (await world.post("/handovers", order)).json()["run_id"]
    handover = (await world.handed_over())[-1]
    claim_id = handover.claims[0].claim_id
    amount = handover.claims[0].to_collect.amount
    other = sum(each.to_collect.amount for each in handover.claims[1:])
    direct = collected = euros("0.00").amount
    is_cancelled = False
    payments: list[tuple[UUID, str]] = []
    for sequence, (change, cents) in enumerate(changes, 2):
        value = euros(f"{cents // 100}.{cents % 100:02}")
        match change:
            case "pay":
                payments.append((new_id(), str(value.amount)))
                collected += value.amount
                await world.feed(paid(handover, payments[-1][1], payments[-1][0]))
                continue
            case "pay back" if payments:
                payment_id, paid_amount = payments.pop()
                collected -= euros(paid_amount).amount
                await world.feed(reduced(handover, payment_id, paid_amount))
                continue
            case "close":
                await world.feed(closed(handover))
                continue
            case "amount":
                amount = value.amount
            case "direct":
                direct += value.amount
            case "cancel":
                is_cancelled = not is_cancelled
        await world.feed(
            claim(
                claim_id,
                debtor.member_id,
                studio_id,
                sequence,
                amount=euros(str(amount)),
                paid_directly=str(direct),
                cancelled=is_cancelled,
            )
        )
    still_open = amount - direct - collected
    on_claim = still_open if still_open > 0 and not is_cancelled else Decimal(0)
    (member,) = await members(world, run_id)
    assert member["open"] == {"amount": f"{on_claim + other:.2f}", "currency": "EUR"}
    assert member["handed_over"] == {"amount": "37.00", "currency": "EUR"}
    seen = await world.get(f"/runs/{run_id}/members/{debtor.member_id}")
    of_claim = {each["claim_id"]: each for each in seen["claims"]}[str(claim_id)]
    assert of_claim["open"]["amount"] == f"{on_claim:.2f}"
    assert of_claim["collected"]["amount"] == f"{collected:.2f}"
    assert of_claim["in_collection"] is not any(change == "close" for change, _ in changes)


def claims_of(handover: MemberHandedOverV1) -> list[tuple[str, str, str]]:
    """Return id, id in the run and amount of each claim."""
    return [
        (str(each.claim_id), str(each.voucher_id), str(each.to_collect.amount))
        for each in handover.claims
    ]


async def test_one_member_is_looked_at_with_its_claims_r6(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    (debtor,) = await world.debtors(1, studio_id, "30.00", "7.00")
    run_id = (await world.run(partner_id))["run_id"]
    (handover,) = await world.handed_over()
    await world.feed(opened(handover), paid(handover, "12.00"))
    path = f"/runs/{run_id}/members/{debtor.member_id}"
    member = await world.get(path)
    (listed,) = await members(world, run_id)
    assert {name: member[name] for name in listed} == listed
    assert member["open"]["amount"] == "25.00"
    assert (member["taken_in_by"], member["taken_in_as"], member["taken_in_reason"]) == (
        None,
        None,
        None,
    )
    claims = member["claims"]
    assert [
        (each["claim_id"], each["voucher_id"], each["handed_over"]["amount"]) for each in claims
    ] == claims_of(handover)
    assert {(each["kind"], each["designation"]) for each in claims} == {("CLAIM", "Fee")}
    assert {(each["voucher_date"], each["due_date"]) for each in claims} == {
        ("2025-01-15", "2025-01-29")
    }
    assert [each["collected"]["amount"] for each in claims] == ["12.00", "0.00"]
    assert [(each["in_collection"], each["released_at"]) for each in claims] == [(True, None)] * 2

    # Collected on the next case is not collected on this one; what is open is open for both.
    await world.feed(closed(handover))
    await world.run(partner_id)
    *_, again = await world.handed_over()
    await world.feed(paid(again, "3.00"))
    claims = (await world.get(path))["claims"]
    assert [each["collected"]["amount"] for each in claims] == ["12.00", "0.00"]
    assert sum(Decimal(each["open"]["amount"]) for each in claims) == Decimal("22.00")
    assert [each["in_collection"] for each in claims] == [False, False]
    assert all(each["released_at"] is not None for each in claims)
    later = await world.get(f"/runs/{again.run_id}/members/{debtor.member_id}")
    assert sorted(each["collected"]["amount"] for each in later["claims"]) == ["0.00", "3.00"]


async def test_a_fee_of_the_handover_is_one_of_the_claims_r6_r9(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    (debtor,) = await world.debtors(1, studio_id)
    order = {
        "member_id": str(debtor.member_id),
        "partner_id": str(partner_id),
        "fee": {"amount": "9.90", "currency": "EUR"},
        "fee_designation": "Handling",
    }
    run_id = (await world.post("/handovers", order)).json()["run_id"]
    (handover,) = await world.handed_over()
    fee = next(each for each in handover.claims if each.kind == "FLAT_FEE")
    await world.feed(opened(handover))
    member = await world.get(f"/runs/{run_id}/members/{debtor.member_id}")
    assert member["open"]["amount"] == member["handed_over"]["amount"] == "39.90"
    seen = {each["claim_id"]: each for each in member["claims"]}[str(fee.claim_id)]
    assert (seen["kind"], seen["designation"]) == ("FLAT_FEE", "Handling")
    assert (seen["open"]["amount"], seen["in_collection"]) == ("9.90", True)
    outlook = await world.get(f"/runs/{run_id}/reversal")
    assert outlook["open"] == [{"amount": "39.90", "currency": "EUR"}]
    await world.feed(closed(handover, "RUN_REVERSED"))
    member = await world.get(f"/runs/{run_id}/members/{debtor.member_id}")
    assert {each["in_collection"] for each in member["claims"]} == {False}
    assert (await world.get("/candidates/summary"))["totals"] == [
        {"amount": "30.00", "currency": "EUR"}
    ]


async def test_who_took_a_minor_in_is_kept_with_roles_and_reason_r3(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    (minor,) = await world.debtors(1, studio_id, birth_date=years_ago(16))
    (adult,) = await world.debtors(1, studio_id)
    preview = await world.preview(partner_id)
    async with world.client(subject="staff-7") as client:
        for debtor in (minor, adult):
            taken = await client.put(
                f"/previews/{preview['preview_id']}/members/{debtor.member_id}",
                json={"left_out": False, "reason": "Emancipated"},
            )
            assert taken.status_code == 200
    made = await world.post("/runs", {"preview_id": preview["preview_id"]})
    await world.publish_all()
    path = f"/runs/{made.json()['run_id']}/members"
    seen = await world.get(f"{path}/{minor.member_id}")
    assert (seen["taken_in_by"], seen["taken_in_reason"]) == ("staff-7", "Emancipated")
    assert seen["taken_in_as"] == ["collection:manage", "collection:read"]
    assert (await world.get(f"{path}/{adult.member_id}"))["taken_in_by"] is None
