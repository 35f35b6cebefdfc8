"""A partner's reference stands for one payment, for ever (R22, R51)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import httpx
import pytest

from contracts import CasePaymentBookedV1, MemberHandedOverV1
from tests.case_service.world import (
    PAID_ON,
    World,
    claim,
    closed,
    corrected,
    euros,
    money,
    paid,
    share,
)

CLAIM = claim("30.00", date(2026, 1, 1))
OTHER = claim("20.00", date(2026, 2, 1))
SHARES = [share(CLAIM, "4.00"), share(OTHER, "6.00")]


async def book(
    world: World, case: MemberHandedOverV1, amount: str = "10.00", /, **changes: Any
) -> httpx.Response:
    """Book a payment under a reference."""
    return await world.pay(case, amount, **({"partner_reference": "P-1"} | changes))


@pytest.mark.parametrize("shares", [None, SHARES, SHARES[::-1]])
async def test_the_same_payment_again_is_the_same_payment(
    world: World, shares: list[dict[str, Any]] | None
) -> None:
    case = await world.open(CLAIM, OTHER)
    content = {"shares": SHARES if shares else None, "own_fees": money("1.00")}
    first = await book(world, case, **content)
    before = await world.booked()

    again = await book(world, case, **(content | {"shares": shares}))

    assert again.status_code == 201, again.text
    assert again.json()["payment_id"] == first.json()["payment_id"]
    assert [hint["field"] for hint in again.json()["hints"]] == ["partner_reference"]
    assert await world.booked() == before


@pytest.mark.parametrize(
    "change",
    [
        {"amount": money("10.01")},
        {"amount": money("10.00", "CHF")},
        {"booking_date": "2026-03-21"},
        {"own_fees": money("0.01")},
        {"shares": None},
        {"shares": [share(CLAIM, "6.00"), share(OTHER, "4.00")]},
        {"shares": [share(CLAIM, "10.00")]},
        {"shares": [share(CLAIM, "4.00"), share(CLAIM, "6.00")]},
    ],
)
async def test_another_payment_under_the_same_reference_is_refused(
    world: World, change: dict[str, Any]
) -> None:
    case = await world.open(CLAIM, OTHER)
    await book(world, case, shares=SHARES)
    before = await world.booked()

    answer = await book(world, case, **({"shares": SHARES} | change))

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["partner_reference"]
    assert await world.booked() == before


async def test_a_dry_run_of_a_booked_payment_names_it(world: World) -> None:
    case = await world.open(CLAIM, OTHER)
    first = (await book(world, case)).json()
    body = {
        "amount": money("10.00"),
        "booking_date": str(PAID_ON),
        "partner_reference": "P-1",
    }
    answer = await world.ask("POST", f"/cases/{case.case_id}/payments?dry_run=true", body, key="")
    assert answer.json()["payment_id"] == first["payment_id"]


async def _reduced(world: World, case: MemberHandedOverV1, payment_id: str) -> None:
    await world.reduce(case, payment_id, "3.00")


async def _taken_back(world: World, case: MemberHandedOverV1, payment_id: str) -> None:
    await world.reduce(case, payment_id, "0.00")


async def _corrected_up(world: World, case: MemberHandedOverV1, _payment_id: str) -> None:
    await world.deliver(corrected(case, "12.00", fees="2.00"))


async def _closed(world: World, case: MemberHandedOverV1, _payment_id: str) -> None:
    await world.close(case)


async def _cancelled(world: World, case: MemberHandedOverV1, _payment_id: str) -> None:
    await world.ask("POST", f"/cases/{case.case_id}/cancellation", {"comment": "zurück"})


LATER: list[Callable[[World, MemberHandedOverV1, str], Awaitable[None]]] = [
    _reduced,
    _taken_back,
    _corrected_up,
    _closed,
    _cancelled,
]


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("shares", [None, SHARES])
async def test_a_reference_means_what_was_booked_first_whatever_comes_later(
    world: World,
    later: Callable[[World, MemberHandedOverV1, str], Awaitable[None]],
    shares: list[dict[str, Any]] | None,
) -> None:
    case = await world.open(CLAIM, OTHER)
    payment_id = (await book(world, case, shares=shares)).json()["payment_id"]
    await later(world, case, payment_id)
    before = await world.booked()

    same = await book(world, case, shares=shares)
    other = await book(world, case, "9.00")
    await world.deliver(paid(case, "10.00"))

    assert (same.status_code, same.json().get("payment_id")) == (201, payment_id)
    assert other.status_code == 422
    assert [error["field"] for error in other.json()["errors"]] == ["partner_reference"]
    assert await world.booked() == before
    assert await world.dead_letters() == 0


async def test_what_was_reallocated_is_still_the_same_payment(world: World) -> None:
    case = await world.open(CLAIM)
    next_case = await world.open(OTHER, member_id=case.member_id)
    await world.deliver(paid(case, "40.00"))
    payment_id = (await world.case(case))["payments"][0]["payment_id"]
    settled = await world.settle(
        case, payment_id, "ALLOCATED", shares=[share(OTHER, "10.00", next_case)]
    )
    assert settled.status_code == 201, settled.text
    before = await world.booked()

    await world.deliver(paid(case, "40.00"))
    same = await book(world, case, "40.00")

    assert same.json()["payment_id"] == payment_id
    assert await world.booked() == before


async def test_a_report_of_what_staff_booked_already_is_the_same_payment(world: World) -> None:
    case = await world.open(CLAIM, OTHER)
    await book(world, case, shares=SHARES, own_fees=money("2.50"))

    await world.deliver(paid(case, "10.00", own_fees=euros("2.50")))
    await world.deliver(paid(case, "11.00"))

    assert len(await world.published(CasePaymentBookedV1)) == 1
    assert await world.dead_letters() == 1
    assert (await world.case(case))["open"] == money("40.00")


async def test_staff_may_book_what_was_reported_already_and_it_is_the_same_payment(
    world: World,
) -> None:
    case = await world.open(CLAIM, OTHER)
    await world.deliver(paid(case, "35.00"))
    (event,) = await world.published(CasePaymentBookedV1)

    answers = [
        await book(world, case, "35.00"),
        await book(world, case, "35.00", shares=[share(CLAIM, "30.00"), share(OTHER, "5.00")]),
    ]

    assert {answer.json()["payment_id"] for answer in answers} == {str(event.payment_id)}
    assert (await world.case(case))["open"] == money("15.00")


async def test_a_reference_is_known_on_its_own_case_only(world: World) -> None:
    case, other = await world.open(CLAIM), await world.open(OTHER)
    first, second = await book(world, case), await book(world, other)
    assert first.json()["payment_id"] != second.json()["payment_id"]


async def test_the_same_reference_at_the_same_moment_is_booked_once(world: World) -> None:
    case = await world.open(CLAIM)
    answers = await asyncio.gather(*(book(world, case) for _ in range(8)))
    await world.deliver(paid(case, "10.00"))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["payment_id"] for answer in answers}) == 1
    assert len(await world.published(CasePaymentBookedV1)) == 1


async def test_a_closure_with_a_payment_that_is_known_books_nothing_new(world: World) -> None:
    case = await world.open(CLAIM)
    await book(world, case)
    payment = {
        "amount": money("10.00"),
        "booking_date": str(PAID_ON),
        "partner_reference": "P-1",
    }
    answer = await world.close(case, payment=payment)
    assert (answer.status_code, answer.json()["status"]) == (200, "CLOSED")
    assert len(await world.published(CasePaymentBookedV1)) == 1


async def test_a_report_again_after_the_end_brings_no_money(world: World) -> None:
    case = await world.open(CLAIM)
    await world.deliver(paid(case, "10.00"), closed(case), paid(case, "10.00"))
    assert len(await world.published(CasePaymentBookedV1)) == 1
    assert (await world.case(case))["unallocated"] == money("0.00")
