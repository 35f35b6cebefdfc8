"""Who can be handed over: R1, R3, R11, R12, R63."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts import CollectionBlock, LegalGuardian, Money
from kit.ids import new_id
from tests.run_service.world import (
    ADDRESS,
    ADULT,
    TODAY,
    World,
    claim,
    euros,
    member,
    studio,
    years_ago,
)

GUARDIAN = LegalGuardian(first_name="Ida", name1="Muster")


async def test_summary_counts_members_and_sums_claims_by_studio_r1(world: World) -> None:
    north, south = await world.studio("North"), await world.studio("South")
    await world.debtors(2, north, "10.00", "5.50")
    await world.debtors(1, south, "7.25")
    summary = await world.get("/candidates/summary")
    assert (summary["members"], summary["claims"]) == (3, 5)
    assert summary["totals"] == [{"amount": "38.25", "currency": "EUR"}]
    assert [
        (each["studio_id"], each["name"], each["members"], each["claims"], each["totals"])
        for each in summary["studios"]
    ] == [
        (str(north), "North", 2, 4, [{"amount": "31.00", "currency": "EUR"}]),
        (str(south), "South", 1, 1, [{"amount": "7.25", "currency": "EUR"}]),
    ]
    assert summary["left_out"] == []


@pytest.mark.parametrize("passed_on", [None, TODAY + timedelta(days=1)])
async def test_who_has_not_passed_the_last_level_is_neither_in_nor_left_out_r1(
    world: World, passed_on: date | None
) -> None:
    await world.debtors(1, await world.studio(), passed_on=passed_on)
    summary = await world.get("/candidates/summary")
    assert (summary["members"], summary["left_out"]) == (0, [])


_NOWHERE = ADDRESS.model_copy(update={"street": "  "})
_NO_POSTAL_CODE = ADDRESS.model_copy(update={"postal_code": ""})


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"block": CollectionBlock(reason="Instalments")}, "BLOCKED"),
        ({"block": CollectionBlock(reason="Instalments", until=TODAY)}, "BLOCKED"),
        ({"address": None}, "INCOMPLETE_ADDRESS"),
        ({"address": _NOWHERE}, "INCOMPLETE_ADDRESS"),
        ({"address": _NO_POSTAL_CODE}, "INCOMPLETE_ADDRESS"),
        ({"address": _NO_POSTAL_CODE.model_copy(update={"country_code": "IE"})}, None),
        ({"address": None, "guardian": GUARDIAN}, "INCOMPLETE_ADDRESS"),
        ({"birth_date": years_ago(17)}, "MINOR_WITHOUT_GUARDIAN"),
        ({"birth_date": years_ago(17), "guardian": GUARDIAN}, None),
        (
            {"birth_date": years_ago(17), "guardian": GUARDIAN, "address": None},
            "INCOMPLETE_ADDRESS",
        ),
        (
            {
                "birth_date": years_ago(17),
                "guardian": GUARDIAN.model_copy(update={"address": ADDRESS}),
                "address": None,
            },
            None,
        ),
    ],
)
async def test_who_is_left_out_is_counted_with_the_reason_r1(
    world: World, values: dict[str, Any], reason: str | None
) -> None:
    await world.debtors(1, await world.studio(), **values)
    summary = await world.get("/candidates/summary")
    assert summary["members"] == (1 if reason is None else 0)
    assert summary["left_out"] == ([{"reason": reason, "members": 1}] if reason else [])
    assert summary["studios"][0]["left_out"] == summary["left_out"]


@pytest.mark.parametrize(
    ("settings", "members", "total", "left_out"),
    [
        ({}, 2, "50.00", [("DISPUTED", 1)]),
        ({"disputed_claims_hold_member": True}, 1, "30.00", [("DISPUTED", 2)]),
        (
            {"minimum_amounts": [{"amount": "20.01", "currency": "EUR"}]},
            1,
            "30.00",
            [("BELOW_MINIMUM", 1), ("DISPUTED", 1)],
        ),
        (
            {"minimum_amounts": [{"amount": "20.00", "currency": "EUR"}]},
            2,
            "50.00",
            [("DISPUTED", 1)],
        ),
        (
            {"minimum_amounts": [{"amount": "99.00", "currency": "CHF"}]},
            2,
            "50.00",
            [("DISPUTED", 1)],
        ),
        ({"excluded_kinds": ["SALE"]}, 1, "20.00", [("DISPUTED", 1)]),
        ({"excluded_kinds": ["CLAIM"]}, 1, "30.00", []),
    ],
)
async def test_the_tenants_settings_say_who_is_left_out_r1(
    world: World,
    settings: dict[str, Any],
    members: int,
    total: str,
    left_out: list[tuple[str, int]],
) -> None:
    """One owes a sale, one a claim and a disputed one, one only a disputed one."""
    studio_id = await world.studio()
    ids = [new_id() for _ in range(3)]
    await world.feed(*(member(member_id, studio_id) for member_id in ids))
    await world.feed(
        claim(new_id(), ids[0], studio_id, amount=euros("30.00"), kind="SALE"),
        claim(new_id(), ids[1], studio_id, amount=euros("20.00")),
        claim(new_id(), ids[1], studio_id, amount=euros("5.00"), disputed=True),
        claim(new_id(), ids[2], studio_id, amount=euros("9.00"), disputed=True),
    )
    async with world.client() as client:
        assert (await client.put("/settings", json=settings)).status_code == 200
    summary = await world.get("/candidates/summary")
    assert summary["members"] == members
    assert summary["totals"] == [{"amount": total, "currency": "EUR"}]
    assert [(each["reason"], each["members"]) for each in summary["left_out"]] == left_out


async def test_collection_may_begin_on_the_day_the_last_level_was_passed_r1(world: World) -> None:
    await world.debtors(1, await world.studio(), passed_on=TODAY)
    assert (await world.get("/candidates/summary"))["members"] == 1


async def test_a_block_ends_after_its_last_day_r1(world: World) -> None:
    block = CollectionBlock(reason="Instalments", until=TODAY - timedelta(days=1))
    await world.debtors(1, await world.studio(), block=block)
    assert (await world.get("/candidates/summary"))["members"] == 1


@pytest.mark.parametrize(
    "values", [{"paid_directly": "30.00"}, {"cancelled": True}, {"disputed": True}]
)
async def test_claims_that_are_not_open_do_not_count_r1(
    world: World, values: dict[str, Any]
) -> None:
    studio_id = await world.studio()
    (debtor,) = await world.debtors(1, studio_id)
    await world.feed(claim(debtor.claim_ids[0], debtor.member_id, studio_id, 2, **values))
    assert (await world.get("/candidates/summary"))["members"] == 0


async def test_what_was_paid_directly_is_not_to_be_collected_r1(world: World) -> None:
    studio_id = await world.studio()
    (debtor,) = await world.debtors(1, studio_id)
    await world.feed(
        claim(debtor.claim_ids[0], debtor.member_id, studio_id, 2, paid_directly="12.30")
    )
    totals = (await world.get("/candidates/summary"))["totals"]
    assert totals == [{"amount": "17.70", "currency": "EUR"}]


async def test_claims_too_large_to_be_true_are_left_out_r1(world: World) -> None:
    studio_id = await world.studio()
    await world.debtors(1, studio_id, "999999999999.99", "999999999999.99")
    await world.debtors(1, studio_id, "999999999.99")
    summary = await world.get("/candidates/summary")
    assert summary["totals"] == [{"amount": "999999999.99", "currency": "EUR"}]
    assert summary["left_out"] == [{"reason": "AMOUNT_TOO_LARGE", "members": 1}]


async def test_things_may_come_in_any_order_r12(world: World) -> None:
    studio_id, member_id = new_id(), new_id()
    for event in (
        claim(new_id(), member_id, studio_id),
        member(member_id, studio_id),
        studio(studio_id),
    ):
        assert (await world.get("/candidates/summary"))["members"] == 0
        await world.feed(event)
    assert (await world.get("/candidates/summary"))["members"] == 1


async def test_members_with_claims_in_several_currencies_are_left_out_r1(world: World) -> None:
    studio_id = await world.studio()
    (debtor,) = await world.debtors(1, studio_id)
    francs = Money(amount=Decimal("9.00"), currency="CHF")
    await world.feed(claim(new_id(), debtor.member_id, studio_id, amount=francs))
    summary = await world.get("/candidates/summary")
    assert summary["members"] == 0
    assert summary["left_out"] == [{"reason": "MIXED_CURRENCIES", "members": 1}]


@pytest.mark.parametrize(
    ("birth_date", "voucher_date", "guardian", "is_left_out"),
    [
        (years_ago(17), TODAY, None, True),
        (years_ago(19), years_ago(2), None, True),
        (years_ago(19), TODAY, None, False),
        (years_ago(17), TODAY, GUARDIAN, False),
        (ADULT, TODAY, None, False),
        (None, TODAY, None, False),
    ],
)
async def test_age_is_judged_when_the_claim_arose_and_today_r3(
    world: World,
    birth_date: date | None,
    voucher_date: date,
    guardian: LegalGuardian | None,
    is_left_out: bool,
) -> None:
    studio_id, member_id = await world.studio(), new_id()
    await world.feed(
        member(member_id, studio_id, birth_date=birth_date, guardian=guardian),
        claim(new_id(), member_id, studio_id, voucher_date=voucher_date),
    )
    summary = await world.get("/candidates/summary")
    assert summary["members"] == (0 if is_left_out else 1)
    assert summary["left_out"] == (
        [{"reason": "MINOR_WITHOUT_GUARDIAN", "members": 1}] if is_left_out else []
    )


async def test_a_token_for_few_studios_sees_those_only_r63(world: World) -> None:
    north, south = await world.studio("North"), await world.studio("South")
    await world.debtors(2, north)
    await world.debtors(1, south)
    summary = await world.get("/candidates/summary", studio_ids=[south])
    assert [each["name"] for each in summary["studios"]] == ["South"]
    assert summary["totals"] == [{"amount": "30.00", "currency": "EUR"}]
    assert (await world.get("/candidates/summary", studio_ids=[]))["members"] == 0


async def test_the_same_ids_in_another_tenant_are_other_things_r63(world: World) -> None:
    studio_id, member_id, claim_id, other = new_id(), new_id(), new_id(), new_id()
    await world.feed(studio(studio_id), member(member_id, studio_id))
    await world.feed(claim(claim_id, member_id, studio_id), tenant_id=other)
    assert (await world.get("/candidates/summary"))["members"] == 0
    assert (await world.get("/candidates/summary", tenant_id=other))["members"] == 0
    await world.feed(claim(claim_id, member_id, studio_id, amount=euros("1.00")))
    totals = (await world.get("/candidates/summary"))["totals"]
    assert totals == [{"amount": "1.00", "currency": "EUR"}]


async def test_reading_needs_the_role_to_read(world: World) -> None:
    async with world.client("partner:admin") as client:
        assert (await client.get("/candidates/summary")).status_code == 403
