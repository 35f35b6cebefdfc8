"""A payment was less than booked: its claims open again, whatever became of the case (R23)."""

from datetime import date, timedelta
from typing import Any

import pytest

from contracts import CasePaymentReducedV1
from kit.clock import today
from tests.case_service.world import (
    PAID_ON,
    World,
    claim,
    corrected,
    euros,
    money,
    open_amounts,
    paid,
    reversal,
    share,
)

OLD, NEWER = date(2026, 1, 1), date(2026, 2, 1)


async def test_a_payment_shrinks_from_the_newest_claim(world: World) -> None:
    """R23."""
    case = await world.open(claim("30.00", OLD), claim("20.00", NEWER))
    payment_id = (await world.pay(case, "45.00")).json()["payment_id"]

    answer = await world.reduce(case, payment_id, "25.00")

    assert answer.status_code == 201, answer.text
    changed = answer.json()
    assert (changed["amount"], changed["open"]) == (money("25.00"), money("25.00"))
    assert [
        (each["open_before"]["amount"], each["amount"]["amount"], each["open_after"]["amount"])
        for each in changed["claims"]
    ] == [("0.00", "5.00", "5.00"), ("5.00", "15.00", "20.00")]
    assert open_amounts(await world.case(case)) == ["5.00", "20.00"]
    (event,) = await world.published(CasePaymentReducedV1)
    assert (event.amount_before, event.amount_after) == (euros("45.00"), euros("25.00"))
    assert (await world.case(case))["history"][0]["why"] == "geplatzt"
    assert await world.differences() == []


async def test_a_payment_shrinks_as_given(world: World) -> None:
    """R23."""
    old, newer = claim("30.00", OLD), claim("20.00", NEWER)
    case = await world.open(old, newer)
    payment_id = (await world.pay(case, "45.00")).json()["payment_id"]

    answer = await world.reduce(
        case, payment_id, "25.00", shares=[share(old, "12.00"), share(newer, "8.00")]
    )

    assert answer.status_code == 201, answer.text
    assert open_amounts(await world.case(case)) == ["12.00", "13.00"]
    assert await world.differences() == []


async def test_a_dry_run_of_a_reduction_needs_no_key_and_changes_nothing(world: World) -> None:
    case = await world.open(claim("30.00"))
    payment_id = (await world.pay(case, "10.00")).json()["payment_id"]
    before = await world.booked()
    path = f"/cases/{case.case_id}/payments/{payment_id}/reduction?dry_run=true"
    body = {"amount": money("4.00"), "booking_date": str(PAID_ON), "comment": "geplatzt"}

    answer = await world.ask("POST", path, body, key="")

    assert (answer.status_code, answer.json()["amount"]) == (200, money("4.00"))
    assert answer.json()["open"] == money("26.00")
    assert await world.booked() == before


async def test_partial_reductions_add_up_to_the_payment_at_most(world: World) -> None:
    """R23: to nothing is a full reversal, and there is no way up."""
    case = await world.open(claim("30.00"))
    payment_id = (await world.pay(case, "10.00")).json()["payment_id"]

    answers = [
        await world.reduce(case, payment_id, amount)
        for amount in ("7.50", "8.00", "7.50", "0.01", "0.00", "0.00")
    ]

    assert [answer.status_code for answer in answers] == [201, 422, 422, 201, 201, 422]
    shown = await world.case(case)
    assert (shown["open"], shown["payments"][0]["amount"]) == (money("30.00"), money("0.00"))
    taken = [
        event.amount_before.amount - event.amount_after.amount
        for event in await world.published(CasePaymentReducedV1)
    ]
    assert sum(taken) == euros("10.00").amount
    assert await world.differences() == []


@pytest.mark.parametrize("end", ["closure", "cancellation", "reversal"])
async def test_a_reduction_after_the_end_shows_as_open_again(world: World, end: str) -> None:
    """R23."""
    case = await world.open(claim("30.00"))
    payment_id = (await world.pay(case, "10.00")).json()["payment_id"]
    if end == "reversal":
        await world.deliver(reversal(case))
        await world.work()
    else:
        await world.ask("POST", f"/cases/{case.case_id}/{end}", {"comment": "Ende"})
    assert (await world.case(case))["open"] == money("0.00")

    answer = await world.reduce(case, payment_id, "4.00")

    assert (answer.status_code, answer.json()["open"]) == (201, money("6.00"))
    shown = await world.case(case)
    assert (shown["open"], shown["status"]) == (
        money("6.00"),
        "CANCELLED" if end == "cancellation" else "CLOSED",
    )
    assert await world.differences() == []


async def test_what_is_unallocated_goes_first(world: World) -> None:
    """R23, R29: it paid nothing."""
    case = await world.open(claim("30.00"))
    payment_id = await world.receive(case, "50.00")

    first = (await world.reduce(case, payment_id, "35.00")).json()
    second = (await world.reduce(case, payment_id, "28.00")).json()

    assert (first["unallocated"], first["claims"]) == (money("5.00"), [])
    assert (second["unallocated"], second["open"]) == (money("0.00"), money("2.00"))
    assert await world.differences() == []


async def test_shares_on_another_case_of_the_member_shrink_first(world: World) -> None:
    """R23, R29: they were booked last. Each case tells its own part."""
    own, next_claim = claim("30.00"), claim("20.00")
    case = await world.open(own)
    following = await world.open(next_claim, member_id=case.member_id)
    payment_id = await world.receive(case, "45.00")
    await world.settle(
        case, payment_id, "ALLOCATED", shares=[share(next_claim, "15.00", following)]
    )

    answer = await world.reduce(case, payment_id, "20.00")

    assert [each["amount"] for each in answer.json()["claims"]] == [money("10.00"), money("15.00")]
    assert (await world.case(case))["open"] == money("10.00")
    assert (await world.case(following))["open"] == money("20.00")
    told = {
        event.case_id: event.amount_before.amount - event.amount_after.amount
        for event in await world.published(CasePaymentReducedV1)
    }
    assert told == {
        case.case_id: euros("10.00").amount,
        following.case_id: euros("15.00").amount,
    }
    assert await world.differences() == []


async def test_who_may_not_see_the_other_studio_is_not_shown_its_case(world: World) -> None:
    """R63."""
    own, next_claim = claim("30.00"), claim("20.00")
    case = await world.open(own)
    following = await world.open(next_claim, member_id=case.member_id)
    payment_id = await world.receive(case, "45.00")
    await world.settle(
        case, payment_id, "ALLOCATED", shares=[share(next_claim, "15.00", following)]
    )
    path = f"/cases/{case.case_id}/payments/{payment_id}/reduction"
    body = {"amount": money("20.00"), "booking_date": str(PAID_ON), "comment": "geplatzt"}

    answer = await world.ask("POST", path, body, studio_ids=[case.studio.studio_id])

    assert {each["case_id"] for each in answer.json()["claims"]} == {str(case.case_id)}
    named = body | {"amount": money("19.00"), "shares": [share(next_claim, "1.00", following)]}
    refused = await world.ask("POST", path, named, studio_ids=[case.studio.studio_id])
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "shares.0.claim_id"
    assert (await world.case(following))["open"] == money("20.00")


async def test_a_payment_of_a_day_to_come_can_be_reduced_today(world: World) -> None:
    """A partner's day is never refused."""
    case = await world.open(claim("30.00"))
    day = today("Europe/Berlin")
    await world.deliver(paid(case, "10.00", paid_on=day + timedelta(days=40)))
    payment_id = (await world.case(case))["payments"][0]["payment_id"]

    answer = await world.reduce(case, payment_id, "4.00", booking_date=str(day))

    assert answer.status_code == 201, answer.text


async def test_staff_and_partner_shrink_one_payment_together(world: World) -> None:
    """R23: the partner's correction says what it is in all."""
    case = await world.open(claim("30.00"))
    payment_id = (await world.pay(case, "20.00", partner_reference="P-1")).json()["payment_id"]
    await world.reduce(case, payment_id, "12.00")

    await world.deliver(corrected(case, "12.00"), corrected(case, "15.00"), corrected(case, "5.00"))

    shown = await world.case(case)
    assert shown["open"] == money("25.00")
    assert [each["amount"] for each in shown["payments"]] == [money("5.00"), money("0.00")]
    assert await world.differences() == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": money("10.00")}, "amount"),
        ({"amount": money("10.01")}, "amount"),
        ({"amount": money("-1.00")}, "amount.amount"),
        ({"amount": money("1.001")}, "amount.amount"),
        ({"amount": money("5.00", "CHF")}, "amount.currency"),
        ({"booking_date": "2026-03-19"}, "booking_date"),
        ({"booking_date": "2999-01-01"}, "booking_date"),
        ({"booking_date": 20260320}, "booking_date"),
        ({"comment": " "}, "comment"),
        ({"shares": []}, "shares"),
        ({"shares": ["short"]}, "shares"),
        ({"shares": ["long"]}, "shares.0.amount"),
        ({"shares": ["twice", "twice"]}, "shares.1.claim_id"),
        ({"shares": ["francs"]}, "shares.0.amount.currency"),
        ({"shares": ["nothing"]}, "shares.0.amount"),
        ({"shares": ["unpaid"]}, "shares.0.claim_id"),
        ({"shares": ["elsewhere"]}, "shares.0.claim_id"),
    ],
)
async def test_a_wrong_reduction_names_its_field_and_changes_nothing(
    world: World, change: dict[str, Any], field: str
) -> None:
    only, unpaid = claim("30.00", OLD), claim("5.00", NEWER)
    case = await world.open(only, unpaid)
    other = await world.open()
    shares = {
        "short": share(only, "4.99"),
        "long": share(only, "10.01"),
        "twice": share(only, "2.50"),
        "francs": share(only, "5.00") | {"amount": money("5.00", "CHF")},
        "nothing": share(only, "0.00"),
        "unpaid": share(unpaid, "5.00"),
        "elsewhere": share(only, "5.00", other),
    }
    given = [shares[name] for name in change.get("shares", [])]
    payment_id = (await world.pay(case, "10.00")).json()["payment_id"]
    before = await world.booked()

    body = change | ({"shares": given} if "shares" in change else {})
    answer = await world.reduce(case, payment_id, "5.00", **body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert await world.booked() == before


async def test_only_a_payment_of_the_case_can_be_reduced(world: World) -> None:
    case, other = await world.open(), await world.open()
    payment_id = (await world.pay(case, "10.00")).json()["payment_id"]

    answers = [
        await world.reduce(other, payment_id, "5.00"),
        await world.reduce(case, str(case.case_id), "5.00"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
