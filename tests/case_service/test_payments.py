"""Payments: booked by staff, reported and corrected by partners (R22, R23, R29, R30)."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from contracts import CasePaymentBookedV1, CasePaymentReducedV1, Money
from kit.clock import today
from tests.case_service.world import (
    HANDED_OVER_ON,
    World,
    claim,
    closed,
    corrected,
    euros,
    open_amounts,
    paid,
)

OLD, NEWER = date(2026, 1, 1), date(2026, 2, 1)


async def test_a_payment_goes_to_the_oldest_claim_first(world: World) -> None:
    """R22."""
    case = await world.open(claim("30.00", NEWER), claim("12.50", OLD))

    answer = await world.pay(case, "20.00", comment="Überweisung")

    assert answer.status_code == 201, answer.text
    assert [each["amount"]["amount"] for each in answer.json()["claims"]] == ["12.50", "7.50"]
    shown = await world.case(case)
    assert open_amounts(shown) == ["0.00", "22.50"]
    assert [each["amount"]["amount"] for each in shown["payments"][0]["shares"]] == [
        "12.50",
        "7.50",
    ]
    assert shown["history"][0]["why"] == "Überweisung"
    (event,) = await world.published(CasePaymentBookedV1)
    assert (event.amount, event.open, event.booked_by) == (
        euros("20.00"),
        euros("22.50"),
        "STAFF",
    )
    assert await world.differences() == []


async def test_a_dry_run_shows_the_shares_and_books_nothing(world: World) -> None:
    """R22."""
    case = await world.open(claim("30.00", NEWER), claim("12.50", OLD))
    before = await world.case(case)
    body = {"amount": {"amount": "20.00", "currency": "EUR"}, "booking_date": "2026-03-20"}

    answer = await world.ask("POST", f"/cases/{case.case_id}/payments?dry_run=true", body)

    assert answer.status_code == 200
    planned = answer.json()
    assert planned["payment_id"] is None
    assert [
        (each["open_before"]["amount"], each["amount"]["amount"], each["open_after"]["amount"])
        for each in planned["claims"]
    ] == [("12.50", "12.50", "0.00"), ("30.00", "7.50", "22.50")]
    assert await world.case(case) == before
    assert await world.published(CasePaymentBookedV1) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": {"amount": "30.01", "currency": "EUR"}}, "amount"),
        ({"amount": {"amount": "0.00", "currency": "EUR"}}, "amount"),
        ({"amount": {"amount": "-1.00", "currency": "EUR"}}, "amount.amount"),
        ({"amount": {"amount": 1.5, "currency": "EUR"}}, "amount.amount"),
        ({"amount": {"amount": "1.00", "currency": "CHF"}}, "amount.currency"),
        ({"amount": {"amount": "1.00", "currency": "EUR", "tip": 1}}, "amount.tip"),
        ({"booking_date": str(HANDED_OVER_ON - timedelta(days=1))}, "booking_date"),
        (
            {"booking_date": str(today("Europe/Berlin") + timedelta(days=2))},
            "booking_date",
        ),
        ({"comment": "\x00"}, "comment"),
    ],
)
async def test_staff_are_told_which_field_is_wrong(
    world: World, change: dict[str, Any], field: str
) -> None:
    """R22, R29."""
    case = await world.open(claim("30.00"))

    answer = await world.pay(case, "10.00", **change)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await world.case(case))["version"] == 1


async def test_the_same_key_books_once(world: World) -> None:
    case = await world.open(claim("30.00"))
    body = {"amount": {"amount": "10.00", "currency": "EUR"}, "booking_date": "2026-03-20"}
    path = f"/cases/{case.case_id}/payments"

    first = await world.ask("POST", path, body, key="k")
    again = await world.ask("POST", path, body, key="k")

    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(await world.published(CasePaymentBookedV1)) == 1


async def test_a_stale_version_changes_nothing(world: World) -> None:
    case = await world.open(claim("30.00"))
    seen = (await world.ask("GET", f"/cases/{case.case_id}")).headers["ETag"]
    await world.pay(case, "1.00")
    body = {"amount": {"amount": "10.00", "currency": "EUR"}, "booking_date": "2026-03-20"}
    path = f"/cases/{case.case_id}/payments"

    stale = await world.ask("POST", path, body, If_Match=seen)
    fresh = await world.ask("POST", path, body, If_Match=stale.headers["ETag"])

    assert (stale.status_code, fresh.status_code) == (412, 201)


async def test_what_a_partner_reports_is_never_too_much(world: World) -> None:
    """R29: the surplus stands on the case."""
    case = await world.open(claim("30.00"))

    await world.deliver(paid(case, "50.00", own_fees=euros("9.90")))

    shown = await world.case(case)
    assert shown["open"]["amount"] == "0.00"
    assert shown["unallocated"]["amount"] == "20.00"
    (event,) = await world.published(CasePaymentBookedV1)
    assert (event.unallocated, event.own_fees) == (euros("20.00"), euros("9.90"))
    assert await world.differences() == []


async def test_money_after_the_end_is_kept_unallocated(world: World) -> None:
    """R29."""
    case = await world.open(claim("30.00"))
    await world.deliver(closed(case))

    await world.deliver(paid(case, "10.00"))

    shown = await world.case(case)
    assert (shown["status"], shown["open"]["amount"]) == ("CLOSED", "0.00")
    assert shown["unallocated"]["amount"] == "10.00"
    assert await world.differences() == []


async def test_payments_of_one_case_in_one_batch_are_exact_and_in_order(world: World) -> None:
    case, other = await world.open(claim("30.00")), await world.open(claim("5.00"))

    await world.deliver(
        paid(case, "10.00", "P-1"),
        paid(other, "5.00", "P-1"),
        paid(case, "15.00", "P-2"),
        paid(case, "15.00", "P-2"),
        paid(case, "10.00", "P-3"),
    )

    events = [
        event
        for event in await world.published(CasePaymentBookedV1)
        if event.case_id == case.case_id
    ]
    assert [(event.partner_reference, str(event.open.amount)) for event in events] == [
        ("P-1", "20.00"),
        ("P-2", "5.00"),
        ("P-3", "0.00"),
    ]
    assert (await world.case(case))["unallocated"]["amount"] == "5.00"
    assert await world.differences() == []


async def test_a_reference_stands_for_one_payment(world: World) -> None:
    case = await world.open(claim("30.00"))
    await world.deliver(paid(case, "10.00"))

    await world.deliver(paid(case, "10.00"), paid(case, "11.00"))

    assert (await world.case(case))["open"]["amount"] == "20.00"
    assert await world.dead_letters() == 1


async def test_another_currency_can_never_be_booked(world: World) -> None:
    case = await world.open(claim("30.00"))
    francs = Money(amount=euros("1.00").amount, currency="CHF")
    report = paid(case, "1.00").model_copy(update={"amount": francs, "own_fees": francs})
    await world.deliver(report)
    assert await world.dead_letters() == 1
    assert (await world.case(case))["version"] == 1


async def test_a_payment_corrected_downwards_opens_the_newest_claims_again(world: World) -> None:
    """R23."""
    case = await world.open(claim("30.00", OLD), claim("20.00", NEWER))
    await world.deliver(paid(case, "60.00"))

    await world.deliver(
        corrected(case, "35.00", fees="2.00"), corrected(case, "35.00", fees="2.00")
    )

    shown = await world.case(case)
    assert open_amounts(shown) == ["0.00", "15.00"]
    assert shown["unallocated"]["amount"] == "0.00"
    assert shown["payments"][0]["own_fees"]["amount"] == "2.00"
    (event,) = await world.published(CasePaymentReducedV1)
    assert (event.amount_before, event.amount_after) == (euros("60.00"), euros("35.00"))
    assert [share.amount for share in event.shares] == [euros("15.00")]
    assert await world.differences() == []


async def test_a_payment_corrected_upwards_is_booked_for_the_rest_and_can_go_down_again(
    world: World,
) -> None:
    case = await world.open(claim("30.00", OLD))
    await world.deliver(paid(case, "10.00"), corrected(case, "25.00"), corrected(case, "5.00"))

    shown = await world.case(case)
    assert shown["open"]["amount"] == "25.00"
    assert [each["amount"]["amount"] for each in shown["payments"]] == ["5.00", "0.00"]
    assert shown["payments"][1]["corrects"] == shown["payments"][0]["payment_id"]

    await world.deliver(corrected(case, "0.00"), paid(case, "10.00"))
    assert (await world.case(case))["open"]["amount"] == "30.00"
    assert await world.differences() == []


@pytest.mark.parametrize("table", ["entries", "history"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET why = 'x'", "DELETE FROM {}", "TRUNCATE {}"],
)
async def test_what_was_booked_is_never_overwritten_nor_removed(
    world: World, table: str, statement: str
) -> None:
    """R30: the database itself refuses."""
    await world.open()
    with pytest.raises(DBAPIError, match="append-only"):
        async with world.context.database.begin() as connection:
            await connection.execute(text(statement.format(table)))


async def test_each_entry_says_who_when_what_and_from_which_request(world: World) -> None:
    """R30."""
    case = await world.open(claim("30.00"))
    await world.deliver(paid(case, "1.00"))
    await world.pay(case, "2.00", comment="bar")
    rows = await world.rows(
        "SELECT kind, amount, actor_kind, actor, why, correlation_id FROM entries"
        " WHERE account = 'CLAIM' ORDER BY entry_number"
    )
    assert [(row.kind, str(row.amount), row.actor_kind, row.actor) for row in rows] == [
        ("HANDED_OVER", "30.00", "SYSTEM", "run-service"),
        ("PAYMENT_SHARE", "-1.00", "PARTNER", str(case.partner_id)),
        ("PAYMENT_SHARE", "-2.00", "STAFF", "demo.staff"),
    ]
    assert rows[1].correlation_id == "request-1"
    assert rows[2].why == "bar"
