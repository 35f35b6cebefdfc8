"""Staff say which claims a payment goes to (R22)."""

from datetime import date
from typing import Any

import pytest

from contracts import CasePaymentBookedV1, CasePaymentReducedV1
from tests.case_service.world import PAID_ON, World, claim, euros, money, open_amounts, share

OLD, NEWER = date(2026, 1, 1), date(2026, 2, 1)


async def test_a_payment_goes_to_the_claims_that_are_given(world: World) -> None:
    """R22."""
    old, newer = claim("30.00", OLD), claim("20.00", NEWER)
    case = await world.open(old, newer)

    answer = await world.pay(case, "25.00", shares=[share(newer, "20.00"), share(old, "5.00")])

    assert answer.status_code == 201, answer.text
    assert [_plan(each) for each in answer.json()["claims"]] == [
        ("30.00", "5.00", "25.00"),
        ("20.00", "20.00", "0.00"),
    ]
    assert open_amounts(await world.case(case)) == ["25.00", "0.00"]
    (event,) = await world.published(CasePaymentBookedV1)
    assert event.allocation == "MANUAL"
    assert {(each.claim_id, each.amount.amount) for each in event.shares} == {
        (old.claim_id, euros("5.00").amount),
        (newer.claim_id, euros("20.00").amount),
    }
    assert await world.differences() == []


async def test_a_dry_run_shows_given_shares_needs_no_key_and_books_nothing(world: World) -> None:
    """R22."""
    old, newer = claim("30.00", OLD), claim("20.00", NEWER)
    case = await world.open(old, newer)
    before = await world.booked()
    body = {
        "amount": money("8.00"),
        "booking_date": str(PAID_ON),
        "shares": [share(newer, "8.00")],
    }
    path = f"/cases/{case.case_id}/payments?dry_run=true"

    answer = await world.ask("POST", path, body, key="")

    assert answer.status_code == 200, answer.text
    planned = answer.json()
    assert (planned["payment_id"], planned["version"]) == (None, 1)
    assert [_plan(each) for each in planned["claims"]] == [
        ("30.00", "0.00", "30.00"),
        ("20.00", "8.00", "12.00"),
    ]
    assert planned["open"] == money("42.00")
    assert await world.booked() == before


async def test_a_dry_run_refuses_what_booking_refuses(world: World) -> None:
    """R22."""
    only = claim("30.00")
    case = await world.open(only)
    body = {
        "amount": money("8.00"),
        "booking_date": str(PAID_ON),
        "shares": [share(only, "7.99")],
    }
    answer = await world.ask("POST", f"/cases/{case.case_id}/payments?dry_run=true", body, key="")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["shares"]


async def test_given_shares_shrink_from_the_newest_claim_whatever_their_order(
    world: World,
) -> None:
    """R23."""
    old, newer = claim("30.00", OLD), claim("20.00", NEWER)
    case = await world.open(old, newer)
    shares = [share(newer, "20.00"), share(old, "30.00")]
    payment = (await world.pay(case, "50.00", shares=shares)).json()

    await world.reduce(case, payment["payment_id"], "25.00")

    (event,) = await world.published(CasePaymentReducedV1)
    assert [(each.claim_id, each.amount) for each in event.shares] == [
        (newer.claim_id, euros("20.00")),
        (old.claim_id, euros("5.00")),
    ]
    assert open_amounts(await world.case(case)) == ["5.00", "20.00"]


@pytest.mark.parametrize("amounts", [("7.99",), ("8.01",), ("4.00", "4.01"), ("4.00", "3.99")])
async def test_shares_add_up_to_the_payment_to_the_cent(
    world: World, amounts: tuple[str, ...]
) -> None:
    """R22."""
    claims = [claim("30.00", OLD), claim("20.00", NEWER)]
    case = await world.open(*claims)
    before = await world.booked()
    shares = [share(each, amount) for each, amount in zip(claims, amounts, strict=False)]

    answer = await world.pay(case, "8.00", shares=shares)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["shares"]
    assert await world.booked() == before


def _plan(planned: dict[str, Any]) -> tuple[str, str, str]:
    open_before, amount, open_after = (
        planned[name]["amount"] for name in ("open_before", "amount", "open_after")
    )
    return open_before, amount, open_after
