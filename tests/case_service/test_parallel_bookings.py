"""A hundred payments on one case at the same moment, over HTTP (R22, R29)."""

import asyncio
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import httpx

from contracts import MemberHandedOverV1
from tests.case_service.world import World, claim, money, paid, share

CLAIMS = [claim(amount, date(2026, 1, day)) for day, amount in enumerate(("30.00", "20.00"), 1)]


async def test_a_hundred_bookings_at_once_share_out_what_is_open_and_no_more(
    world: World,
) -> None:
    """R22: each answer is right for the order that the database shows."""
    case = await world.open(*CLAIMS)

    answers = await asyncio.gather(
        *(world.pay(case, f"0.{cents:02}") for cents in range(1, 100)), world.pay(case, "2.00")
    )

    await _require_order(world, case, answers)


async def test_more_bookings_than_is_open_are_refused_to_the_cent(world: World) -> None:
    """R29: staff get a clear refusal."""
    case = await world.open(*CLAIMS)

    answers = await asyncio.gather(*(world.pay(case, "0.77") for _ in range(100)))

    booked = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 422]
    assert (len(booked), len(refused)) == (64, 36)
    assert {answer.json()["errors"][0]["field"] for answer in refused} == {"amount"}
    shown = await world.case(case)
    assert (shown["open"], shown["unallocated"]) == (money("0.72"), money("0.00"))
    await _require_order(world, case, answers)


async def test_bookings_by_hand_and_automatic_ones_never_take_the_same_cent(world: World) -> None:
    case = await world.open(*CLAIMS)

    answers = await asyncio.gather(
        *(world.pay(case, "1.00", shares=[share(CLAIMS[0], "1.00")]) for _ in range(50)),
        *(world.pay(case, "1.00") for _ in range(50)),
    )

    assert all(answer.status_code in {201, 422} for answer in answers)
    await _require_order(world, case, answers)


async def test_what_the_partner_reports_meanwhile_takes_no_cent_twice(world: World) -> None:
    """R29: every report is booked; what staff may not book is refused."""
    case = await world.open(*CLAIMS)

    async with asyncio.TaskGroup() as group:
        bookings = [group.create_task(world.pay(case, "0.77")) for _ in range(50)]
        for number in range(50):
            await world.deliver(paid(case, "0.77", f"P-{number}"))

    answers = [booking.result() for booking in bookings]
    assert {answer.status_code for answer in answers} <= {201, 422}
    booked = await world.rows("SELECT booked_by, count(*) AS number FROM payments GROUP BY 1")
    by_staff = sum(answer.status_code == 201 for answer in answers)
    assert {row.booked_by: row.number for row in booked} == {"STAFF": by_staff, "PARTNER": 50}
    shown = await world.case(case)
    came_in = Decimal("0.77") * (50 + by_staff)
    stands = sum(Decimal(shown[name]["amount"]) for name in ("collected", "unallocated"))
    assert stands == came_in
    assert Decimal(shown["open"]["amount"]) + Decimal(shown["collected"]["amount"]) == 50
    assert await world.differences() == []


async def _require_order(
    world: World, case: MemberHandedOverV1, answers: Sequence[httpx.Response]
) -> None:
    """Require that the answers show the running balance, in the order of the ledger."""
    by_payment = {
        answer.json()["payment_id"]: answer.json()
        for answer in answers
        if answer.status_code == 201
    }
    balance = {str(each.claim_id): each.amount.amount for each in case.claims}
    versions = []
    for payment_id in await _payments_in_order(world):
        answer = by_payment.pop(payment_id)
        assert _amounts(answer, "open_before") == balance
        for claim_id, part in _amounts(answer, "amount").items():
            balance[claim_id] -= part
        assert _amounts(answer, "open_after") == balance
        assert Decimal(answer["open"]["amount"]) == sum(balance.values())
        assert sum(_amounts(answer, "amount").values()) == Decimal(answer["amount"]["amount"])
        assert min(balance.values()) >= 0
        versions.append(answer["version"])
    assert by_payment == {}
    assert versions == list(range(2, len(versions) + 2))
    assert await world.differences() == []


async def _payments_in_order(world: World) -> list[str]:
    rows = await world.rows(
        "SELECT payment_id FROM entries WHERE payment_id IS NOT NULL"
        " GROUP BY payment_id ORDER BY min(entry_number)"
    )
    return [str(row.payment_id) for row in rows]


def _amounts(answer: dict[str, Any], name: str) -> dict[str, Decimal]:
    return {each["claim_id"]: Decimal(each[name]["amount"]) for each in answer["claims"]}
