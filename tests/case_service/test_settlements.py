"""Money that no claim could take: staff say where it belongs, and none of it vanishes (R29)."""

import asyncio
from typing import Any

import pytest

from contracts import (
    CasePaymentReallocatedV1,
    CaseUnallocatedSettledV1,
    HandoverClaim,
    MemberHandedOverV1,
)
from tests.case_service.receivables import snapshot
from tests.case_service.world import (
    World,
    claim,
    closed,
    euros,
    handover,
    money,
    share,
)


async def ended(world: World, *claims: HandoverClaim, **changes: Any) -> MemberHandedOverV1:
    """Return a case that was closed with all of it open."""
    case = await world.open(*claims, **changes)
    await world.deliver(closed(case))
    return case


async def test_money_after_the_end_pays_what_is_owed_still(world: World) -> None:
    """R29: the claim went back to the creditor unpaid, and nobody else works it."""
    only = claim("30.00")
    case = await ended(world, only)
    payment_id = await world.receive(case, "40.00")

    answer = await world.settle(case, payment_id, "ALLOCATED", shares=[share(only, "30.00")])

    assert answer.status_code == 201, answer.text
    assert answer.json()["unallocated"] == money("10.00")
    shown = await world.case(case)
    assert (shown["open"], shown["unallocated"]) == (money("0.00"), money("10.00"))
    assert shown["claims"][0]["collected"] == money("30.00")
    assert shown["history"][0]["why"] == "geklärt"
    (event,) = await world.published(CasePaymentReallocatedV1)
    assert (event.reason, event.case_id) == ("SETTLED", case.case_id)
    assert [each.amount for each in event.given] == [euros("30.00")]
    assert await world.differences() == []


async def test_a_surplus_pays_a_claim_of_another_case_of_the_member(world: World) -> None:
    """R29."""
    next_claim = claim("20.00")
    case = await world.open(claim("30.00"))
    following = await world.open(next_claim, member_id=case.member_id)
    payment_id = await world.receive(case, "45.00")

    answer = await world.settle(
        case, payment_id, "ALLOCATED", shares=[share(next_claim, "15.00", following)]
    )

    assert answer.status_code == 201, answer.text
    assert (answer.json()["unallocated"], answer.json()["open"]) == (money("0.00"), money("0.00"))
    assert (await world.case(following))["open"] == money("5.00")
    (event,) = await world.published(CasePaymentReallocatedV1)
    assert (event.case_id, event.payment_case_id) == (following.case_id, case.case_id)
    assert await world.differences() == []


@pytest.mark.parametrize("outcome", ["PAID_BACK", "GIVEN_TO_DEBTOR"])
async def test_a_surplus_leaves_the_case(world: World, outcome: str) -> None:
    """R29: in parts, to the cent, with who and why."""
    case = await world.open(claim("30.00"))
    payment_id = await world.receive(case, "45.00")

    answers = [
        await world.settle(case, payment_id, outcome, amount=money(amount))
        for amount in ("10.00", "5.01", "5.00", "0.01")
    ]

    assert [answer.status_code for answer in answers] == [201, 422, 201, 422]
    assert (await world.case(case))["unallocated"] == money("0.00")
    events = await world.published(CaseUnallocatedSettledV1)
    assert [(event.outcome, event.amount, event.unallocated) for event in events] == [
        (outcome, euros("10.00"), euros("5.00")),
        (outcome, euros("5.00"), euros("0.00")),
    ]
    (latest, *_) = (await world.case(case))["history"]
    assert (latest["kind"], latest["why"]) == ("UNALLOCATED_SETTLED", "geklärt")
    assert await world.differences() == []


async def test_a_claim_in_another_live_case_takes_money_there_only(world: World) -> None:
    """R11, R29: what went back is the new case's to collect."""
    only = claim("30.00")
    case = await ended(world, only)
    again = await world.open(only, member_id=case.member_id)
    payment_id = await world.receive(case, "30.00")

    here = await world.settle(case, payment_id, "ALLOCATED", shares=[share(only, "0.01")])
    there = await world.settle(case, payment_id, "ALLOCATED", shares=[share(only, "30.00", again)])

    assert here.status_code == 422
    assert [error["field"] for error in here.json()["errors"]] == ["shares.0.amount"]
    assert there.status_code == 201, there.text
    assert (await world.case(again))["open"] == money("0.00")
    assert await world.differences() == []


async def test_a_live_case_of_a_studio_that_is_not_seen_counts_as_well(world: World) -> None:
    """R11, R63."""
    only = claim("30.00")
    case = await ended(world, only)
    again = await world.open(only, member_id=case.member_id)
    payment_id = await world.receive(case, "30.00")
    path = f"/cases/{case.case_id}/payments/{payment_id}/settlement"
    seen = [case.studio.studio_id]

    fields = []
    for each in (share(only, "30.00"), share(only, "30.00", again)):
        body = {"outcome": "ALLOCATED", "shares": [each], "comment": "geklärt"}
        answer = await world.ask("POST", path, body, studio_ids=seen)
        fields += [error["field"] for error in answer.json()["errors"]]

    assert fields == ["shares.0.amount", "shares.0.case_id"]


async def test_a_claim_takes_what_went_back_once_whatever_cases_it_was_in(world: World) -> None:
    only = claim("30.00")
    first = await ended(world, only)
    second = await ended(world, only, member_id=first.member_id)
    payment_id = await world.receive(second, "60.00")

    both = await world.settle(
        second,
        payment_id,
        "ALLOCATED",
        shares=[share(only, "30.00", first), share(only, "30.00", second)],
    )
    answers = [
        await world.settle(second, payment_id, "ALLOCATED", shares=[share(only, amount, case)])
        for amount, case in (("20.00", first), ("10.01", second), ("10.00", second))
    ]

    assert both.status_code == 422
    assert [error["field"] for error in both.json()["errors"]] == ["shares"]
    assert [answer.status_code for answer in answers] == [201, 422, 201]
    assert (await world.case(second))["unallocated"] == money("30.00")
    assert await world.differences() == []


async def test_what_was_paid_at_the_studio_since_takes_no_money(world: World) -> None:
    """R27, R29."""
    only = claim("30.00")
    case = await ended(world, only)
    payment_id = await world.receive(case, "30.00")
    await world.deliver(snapshot(case, only, paid="12.00"))

    answers = [
        await world.settle(case, payment_id, "ALLOCATED", shares=[share(only, amount)])
        for amount in ("18.01", "18.00")
    ]

    assert [answer.status_code for answer in answers] == [422, 201]
    assert await world.differences() == []


async def test_what_was_given_up_takes_no_money(world: World) -> None:
    """R25."""
    only = claim("30.00")
    await world.ask("PUT", "/settings", {"residual_on_closing": "WRITTEN_OFF"})
    case = await ended(world, only)
    payment_id = await world.receive(case, "30.00")

    answer = await world.settle(case, payment_id, "ALLOCATED", shares=[share(only, "0.01")])

    assert [error["field"] for error in answer.json()["errors"]] == ["shares.0.amount"]


async def test_two_settlements_at_once_share_out_no_cent_twice(world: World) -> None:
    next_claim = claim("30.00")
    case = await world.open(claim("30.00"))
    following = await world.open(next_claim, member_id=case.member_id)
    payment_id = await world.receive(case, "50.00")

    answers = await asyncio.gather(
        *(
            world.settle(
                case, payment_id, "ALLOCATED", shares=[share(next_claim, "7.00", following)]
            )
            for _ in range(4)
        ),
        *(world.settle(case, payment_id, "PAID_BACK", amount=money("7.00")) for _ in range(4)),
    )

    assert sorted(answer.status_code for answer in answers) == [201] * 2 + [422] * 6
    assert (await world.case(case))["unallocated"] == money("6.00")
    assert await world.differences() == []


async def test_a_case_that_waits_for_its_partner_takes_no_money(world: World) -> None:
    next_claim = claim("20.00")
    case = await world.open(claim("30.00"))
    waiting = handover(next_claim, member_id=case.member_id, partner_channel="API")
    await world.deliver(waiting)
    payment_id = await world.receive(case, "45.00")

    answer = await world.settle(
        case, payment_id, "ALLOCATED", shares=[share(next_claim, "15.00", waiting)]
    )

    assert [error["field"] for error in answer.json()["errors"]] == ["shares.0.case_id"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"outcome": "LOST"}, "outcome"),
        ({"comment": ""}, "comment"),
        ({}, "shares"),
        ({"amount": money("1.00")}, "shares"),
        ({"shares": ["one"], "amount": money("1.00")}, "amount"),
        ({"shares": []}, "shares"),
        ({"shares": ["one", "one"]}, "shares"),
        ({"shares": ["all"]}, "shares"),
        ({"shares": ["too much"]}, "shares.0.amount"),
        ({"shares": ["one", "nothing"]}, "shares.1.amount"),
        ({"shares": ["francs"]}, "shares.0.amount.currency"),
        ({"shares": ["unknown"]}, "shares.0.claim_id"),
        ({"shares": ["stranger"]}, "shares.0.case_id"),
        ({"outcome": "PAID_BACK"}, "amount"),
        ({"outcome": "PAID_BACK", "shares": ["one"]}, "shares"),
        ({"outcome": "PAID_BACK", "amount": money("0.00")}, "amount"),
        ({"outcome": "PAID_BACK", "amount": money("15.01")}, "amount"),
        ({"outcome": "PAID_BACK", "amount": money("1.00", "CHF")}, "amount.currency"),
        ({"outcome": "GIVEN_TO_DEBTOR", "amount": money("NaN")}, "amount.amount"),
    ],
)
async def test_a_wrong_settlement_names_its_field_and_changes_nothing(
    world: World, change: dict[str, Any], field: str
) -> None:
    next_claim, theirs = claim("20.00"), claim("20.00")
    case = await world.open(claim("30.00"))
    following = await world.open(next_claim, member_id=case.member_id)
    stranger = await world.open(theirs)
    payment_id = await world.receive(case, "45.00")
    one = share(next_claim, "1.00", following)
    shares = {
        "one": one,
        "all": share(next_claim, "15.01", following),
        "too much": share(next_claim, "20.01", following),
        "nothing": share(next_claim, "0.00", following),
        "francs": one | {"amount": money("1.00", "CHF")},
        "unknown": share(next_claim, "1.00"),
        "stranger": share(theirs, "1.00", stranger),
    }
    before = await world.booked()

    given = {"shares": [shares[name] for name in change["shares"]]} if "shares" in change else {}
    answer = await world.settle(case, payment_id, "ALLOCATED", **(change | given))

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert await world.booked() == before
