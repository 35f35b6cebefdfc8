"""Bad input is refused, its field is named, and nothing changes (R22, R29).

One table for payments: each line holds for a payment alone, for its dry run, and for the last
payment of a closure, whose fields are those of `payment`.
"""

from datetime import timedelta
from typing import Any

import pytest

from contracts import HandoverClaim, MemberHandedOverV1
from kit.clock import today
from kit.ids import new_id
from tests.case_service.world import (
    HANDED_OVER_ON,
    PAID_ON,
    World,
    accepted,
    claim,
    euros,
    handover,
    money,
    paid,
    share,
)

CLAIM, PAID_CLAIM = claim("30.00"), claim("5.00")
FOREIGN = claim("30.00")


def shares(*parts: tuple[HandoverClaim, str]) -> list[dict[str, Any]]:
    """Return shares as the HTTP interface takes them."""
    return [share(each, amount) for each, amount in parts]


PAYMENTS: list[tuple[dict[str, Any], str]] = [
    ({"amount": money("10.001")}, "amount.amount"),
    ({"amount": money("10.0")}, "amount.amount"),
    ({"amount": money("10")}, "amount.amount"),
    ({"amount": money("010.00")}, "amount.amount"),
    ({"amount": money("1e1")}, "amount.amount"),
    ({"amount": money("10,00")}, "amount.amount"),
    ({"amount": money(" 10.00")}, "amount.amount"),
    ({"amount": money("١٠.٠٠")}, "amount.amount"),
    ({"amount": money("NaN")}, "amount.amount"),
    ({"amount": money("Infinity")}, "amount.amount"),
    ({"amount": money("-10.00")}, "amount.amount"),
    ({"amount": money("+10.00")}, "amount.amount"),
    ({"amount": money("1000000000000.00")}, "amount.amount"),
    ({"amount": money("9" * 400 + ".00")}, "amount.amount"),
    ({"amount": {"amount": 10.0, "currency": "EUR"}}, "amount.amount"),
    ({"amount": {"amount": 10, "currency": "EUR"}}, "amount.amount"),
    ({"amount": {"amount": None, "currency": "EUR"}}, "amount.amount"),
    ({"amount": {"amount": "10.00"}}, "amount.currency"),
    ({"amount": "10.00"}, "amount"),
    ({"amount": None}, "amount"),
    ({"amount": money("0.00")}, "amount"),
    ({"amount": money("30.01")}, "amount"),
    ({"amount": money("999999999999.99")}, "amount"),
    ({"amount": money("10.00", "CHF")}, "amount.currency"),
    ({"amount": money("10.00", "eur")}, "amount.currency"),
    ({"amount": money("10.00", "XXX")}, "amount.currency"),
    ({"amount": money("10.00", "JPY")}, "amount.currency"),
    ({"amount": money("10.00") | {"tip": "1.00"}}, "amount.tip"),
    ({"own_fees": money("-0.01")}, "own_fees.amount"),
    ({"own_fees": money("1000000000000.00")}, "own_fees.amount"),
    ({"own_fees": money("1.00", "CHF")}, "own_fees.currency"),
    ({"booking_date": str(HANDED_OVER_ON - timedelta(days=1))}, "booking_date"),
    ({"booking_date": str(today("Europe/Berlin") + timedelta(days=2))}, "booking_date"),
    ({"booking_date": "9999-12-31"}, "booking_date"),
    ({"booking_date": "0001-01-01"}, "booking_date"),
    ({"booking_date": "2026-02-30"}, "booking_date"),
    ({"booking_date": "2026-3-20"}, "booking_date"),
    ({"booking_date": "20260320"}, "booking_date"),
    ({"booking_date": "2026-03-20T00:00:00"}, "booking_date"),
    ({"booking_date": "2026-03-20T00:00:00Z"}, "booking_date"),
    ({"booking_date": "20.03.2026"}, "booking_date"),
    ({"booking_date": 1774000000}, "booking_date"),
    ({"booking_date": 20260320}, "booking_date"),
    ({"booking_date": None}, "booking_date"),
    ({"partner_reference": ""}, "partner_reference"),
    ({"partner_reference": "x" * 101}, "partner_reference"),
    ({"partner_reference": "\x00"}, "partner_reference"),
    ({"partner_reference": 7}, "partner_reference"),
    ({"shares": []}, "shares"),
    ({"shares": shares((CLAIM, "9.99"))}, "shares"),
    ({"shares": shares((CLAIM, "10.01"))}, "shares"),
    ({"shares": shares((CLAIM, "30.01"))}, "shares.0.amount"),
    ({"shares": shares((CLAIM, "9.00"), (PAID_CLAIM, "1.00"))}, "shares.1.amount"),
    ({"shares": shares((CLAIM, "10.00"), (PAID_CLAIM, "0.00"))}, "shares.1.amount"),
    ({"shares": shares((CLAIM, "5.00"), (CLAIM, "5.00"))}, "shares.1.claim_id"),
    ({"shares": shares((FOREIGN, "10.00"))}, "shares.0.claim_id"),
    ({"shares": [{"claim_id": "C-1", "amount": money("10.00")}]}, "shares.0.claim_id"),
    ({"shares": [{"claim_id": str(CLAIM.claim_id)}]}, "shares.0.amount"),
    (
        {"shares": [share(CLAIM, "10.00") | {"amount": money("10.00", "CHF")}]},
        "shares.0.amount.currency",
    ),
    ({"shares": [share(CLAIM, "10.00") | {"amount": money("NaN")}]}, "shares.0.amount.amount"),
    ({"shares": [share(CLAIM, "0.01")] * 501}, "shares"),
    ({"surplus": "yes"}, "surplus"),
]
WAYS = {
    "payment": ("/payments", ""),
    "dry run": ("/payments?dry_run=true", ""),
    "closure": ("/closure", "payment."),
}


async def case_with_foreign(world: World) -> MemberHandedOverV1:
    """Return a case with a claim that is paid and one with 30.00 open; another member has more."""
    case = await world.open(CLAIM, PAID_CLAIM)
    await world.open(FOREIGN)
    await world.pay(case, "5.00", shares=shares((PAID_CLAIM, "5.00")))
    return case


@pytest.mark.parametrize("way", WAYS)
async def test_a_wrong_payment_names_its_field_and_changes_nothing(world: World, way: str) -> None:
    """One world for the whole table: nothing of it changes."""
    case = await case_with_foreign(world)
    before = await world.booked()
    path, prefix = WAYS[way]
    for change, field in PAYMENTS:
        payment = {"amount": money("10.00"), "booking_date": str(PAID_ON)} | change
        body = {"comment": "fertig", "payment": payment} if prefix else payment

        answer = await world.ask("POST", f"/cases/{case.case_id}{path}", body)

        assert answer.status_code == 422, (change, answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"
        fields = [error["field"] for error in answer.json()["errors"]]
        assert fields == [prefix + field], change
    assert await world.booked() == before


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400"])
async def test_numbers_that_are_none_are_refused(world: World, literal: str) -> None:
    case = await world.open()
    token = world.issuer.token(world.tenant_id, ["collection:finance"])

    answer = await world.client.post(
        f"/v1/cases/{case.case_id}/payments",
        content=f'{{"amount":{{"amount":{literal},"currency":"EUR"}},"booking_date":"{PAID_ON}"}}',
        headers={
            "Authorization": f"Bearer {token}",
            "Idempotency-Key": "k",
            "Content-Type": "application/json",
        },
    )

    assert answer.status_code in {400, 422}
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_comment_is_text_with_something_in_it(world: World) -> None:
    case = await world.open()
    before = await world.booked()
    for path, body in (
        ("payments", {"amount": money("1.00"), "booking_date": str(PAID_ON)}),
        ("closure", {}),
        ("cancellation", {}),
    ):
        for comment in ("", "  ", "\x00", "x" * 2001, 7):
            answer = await world.ask(
                "POST", f"/cases/{case.case_id}/{path}", body | {"comment": comment}
            )
            assert answer.status_code == 422
            assert [error["field"] for error in answer.json()["errors"]] == ["comment"]
    assert await world.booked() == before


PATHS = ("payments", "closure", "cancellation")
BODIES: dict[str, dict[str, Any]] = {
    "payments": {"amount": money("1.00"), "booking_date": str(PAID_ON)},
    "closure": {"comment": "Ende"},
    "cancellation": {"comment": "Ende"},
}


@pytest.mark.parametrize("path", PATHS)
async def test_a_case_that_is_not_open_takes_nothing_of_staff(world: World, path: str) -> None:
    """R22, R24, R26."""
    closed, cancelled = await world.open(), await world.open()
    await world.close(closed)
    await world.ask("POST", f"/cases/{cancelled.case_id}/cancellation", {"comment": "zurück"})
    pending = handover(partner_channel="API")
    await world.deliver(pending)
    before = await world.booked()
    for case in (closed, cancelled, pending):
        answer = await world.ask("POST", f"/cases/{case.case_id}/{path}", BODIES[path])
        assert answer.status_code == 409
        assert answer.json()["type"].endswith(":case-not-open")
    assert await world.booked() == before


@pytest.mark.parametrize("path", [*PATHS, "payments?dry_run=true"])
async def test_what_is_not_the_callers_is_not_found(world: World, path: str) -> None:
    """R63: a case that is not there, another tenant's, another studio's."""
    case = await world.open()
    before = await world.booked()
    body = BODIES[path.partition("?")[0]]
    answers = [
        await world.ask("POST", f"/cases/{new_id()}/{path}", body),
        await world.ask("POST", f"/cases/{case.case_id}/{path}", body, tenant_id=new_id()),
        await world.ask("POST", f"/cases/{case.case_id}/{path}", body, studio_ids=[new_id()]),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    malformed = await world.ask("POST", f"/cases/17/{path}", body)
    assert malformed.status_code == 422
    assert [error["field"] for error in malformed.json()["errors"]] == ["case_id"]
    assert await world.booked() == before


@pytest.mark.parametrize("path", [*PATHS, "payments?dry_run=true"])
async def test_a_stale_version_changes_nothing(world: World, path: str) -> None:
    case = await world.open()
    seen = (await world.ask("GET", f"/cases/{case.case_id}")).headers["ETag"]
    payment_id = await world.receive(case, "1.00")
    before = await world.booked()
    body = BODIES[path.partition("?")[0]]

    stale = await world.ask("POST", f"/cases/{case.case_id}/{path}", body, If_Match=seen)
    change = f"/cases/{case.case_id}/payments/{payment_id}"
    reduction = {"amount": money("0.00"), "booking_date": str(PAID_ON), "comment": "geplatzt"}
    stale_too = await world.ask("POST", f"{change}/reduction", reduction, If_Match=seen)

    assert (stale.status_code, stale_too.status_code) == (412, 412)
    assert stale.headers["ETag"] != seen
    assert await world.booked() == before
    fresh = await world.ask(
        "POST", f"/cases/{case.case_id}/{path}", body, If_Match=stale.headers["ETag"]
    )
    assert fresh.is_success


async def test_a_day_long_ago_is_taken_with_a_hint(world: World) -> None:
    """R22: older than 90 days."""
    day = today("Europe/Berlin")
    case = await world.open(collection_date=day - timedelta(days=200))
    hints = {}
    for days in (0, 90, 91, 200):
        answer = await world.pay(case, "1.00", booking_date=str(day - timedelta(days=days)))
        assert answer.status_code == 201, answer.text
        hints[days] = [hint["field"] for hint in answer.json()["hints"]]
    assert hints == {0: [], 90: [], 91: ["booking_date"], 200: ["booking_date"]}


async def test_days_count_where_the_studio_is(world: World) -> None:
    """R22: today on Kiritimati may be tomorrow in Berlin."""
    case = await world.open(
        studio=handover().studio.model_copy(update={"time_zone": "Pacific/Kiritimati"})
    )
    day = today("Pacific/Kiritimati")
    answers = [
        await world.pay(case, "1.00", booking_date=str(each))
        for each in (day, day + timedelta(days=1))
    ]
    assert [answer.status_code for answer in answers] == [201, 422]


async def test_the_day_of_the_handover_can_be_booked_where_it_has_not_begun_yet(
    world: World,
) -> None:
    """It is the tenant's day, and begins later at a studio farther west."""
    day = today("Europe/Berlin") + timedelta(days=1)
    case = await world.open(collection_date=day)
    booked = [
        await world.pay(case, "1.00", booking_date=str(each))
        for each in (day, day + timedelta(days=1))
    ]
    assert [answer.status_code for answer in booked] == [201, 422]
    payment_id = booked[0].json()["payment_id"]
    reduced = await world.reduce(case, payment_id, "0.00", booking_date=str(day))
    assert reduced.status_code == 201, reduced.text


async def test_a_case_that_was_accepted_takes_payments(world: World) -> None:
    case = handover(partner_channel="API")
    await world.deliver(case, accepted(case), paid(case, "1.00", own_fees=euros("0.00")))
    assert (await world.pay(case, "1.00")).status_code == 201
