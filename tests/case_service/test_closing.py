"""Cases end for good: with a comment, a result, a last payment, and what becomes of the rest."""

from datetime import date

import pytest

from contracts import CaseCancelledV1, CaseClosedV1, CasePaymentBookedV1, MemberReleasedV1
from kit.ids import new_id
from tests.case_service.world import (
    PAID_ON,
    World,
    claim,
    closed,
    euros,
    money,
    open_amounts,
    paid,
    reversal,
    share,
)

OLD, NEWER = date(2026, 1, 1), date(2026, 2, 1)


@pytest.mark.parametrize(
    ("amount", "result"),
    [(None, "UNPAID"), ("12.00", "PARTLY_PAID"), ("30.00", "PAID")],
)
async def test_a_case_is_closed_with_its_result_and_a_comment(
    world: World, amount: str | None, result: str
) -> None:
    """R24: whether or not it was successful."""
    case = await world.open(claim("30.00"))
    if amount is not None:
        await world.pay(case, amount)

    answer = await world.close(case, comment="ausgeforscht")

    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["status"], shown["close_reason"], shown["result"]) == (
        "CLOSED",
        "COMPLETED",
        result,
    )
    items = await world.rows("SELECT kind, why FROM history ORDER BY item_number DESC LIMIT 2")
    assert [(item.kind, item.why) for item in items] == [
        ("DUNNING_LEVEL_RESET", "ausgeforscht"),
        ("CLOSED", "ausgeforscht"),
    ]
    (event,) = await world.published(CaseClosedV1)
    assert (event.result, event.closed_by) == (result, "STAFF")
    assert await world.differences() == []


async def test_a_last_payment_is_booked_in_the_same_step(world: World) -> None:
    """R24: as given, before the case closes."""
    old, newer = claim("30.00", OLD), claim("20.00", NEWER)
    case = await world.open(old, newer)
    payment = {
        "amount": money("25.00"),
        "booking_date": str(PAID_ON),
        "own_fees": money("3.00"),
        "partner_reference": "P-9",
        "shares": [share(old, "5.00"), share(newer, "20.00")],
    }

    answer = await world.close(case, payment=payment)

    assert (answer.status_code, answer.json()["result"]) == (200, "PARTLY_PAID")
    (booked,) = await world.published(CasePaymentBookedV1)
    (event,) = await world.published(CaseClosedV1)
    assert (booked.open, booked.own_fees) == (euros("25.00"), euros("3.00"))
    assert (event.collected, event.residual) == (euros("25.00"), euros("25.00"))
    reasons = await world.rows("SELECT DISTINCT why, correlation_id FROM entries WHERE why <> ''")
    assert [row.why for row in reasons] == ["fertig"]
    assert await world.differences() == []


async def test_a_last_payment_that_is_refused_leaves_the_case_open(world: World) -> None:
    """R24: all or nothing."""
    case = await world.open(claim("30.00"))
    before = await world.booked()
    payment = {"amount": money("30.01"), "booking_date": str(PAID_ON)}

    answer = await world.close(case, payment=payment)

    assert [error["field"] for error in answer.json()["errors"]] == ["payment.amount"]
    assert await world.booked() == before


async def test_the_same_closure_again_is_answered_again(world: World) -> None:
    case = await world.open(claim("30.00"))
    payment = {"amount": money("5.00"), "booking_date": str(PAID_ON)}
    body = {"comment": "fertig", "payment": payment}
    path = f"/cases/{case.case_id}/closure"

    answers = [await world.ask("POST", path, body, key="k") for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert len(await world.published(CasePaymentBookedV1)) == 1
    assert len(await world.published(CaseClosedV1)) == 1


@pytest.mark.parametrize("by", ["staff", "partner"])
@pytest.mark.parametrize("setting", ["STAYS_OPEN", "WRITTEN_OFF"])
async def test_what_is_open_on_closing_follows_the_tenants_setting(
    world: World, setting: str, by: str
) -> None:
    """R25: stated for each claim."""
    old, newer = claim("30.00", OLD), claim("20.00", NEWER)
    await world.ask("PUT", "/settings", {"residual_on_closing": setting})
    case = await world.open(old, newer)
    await world.pay(case, "35.00")

    await (world.close(case) if by == "staff" else world.deliver(closed(case)))

    (event,) = await world.published(CaseClosedV1)
    assert event.residual == euros("15.00")
    given_up = "15.00" if setting == "WRITTEN_OFF" else "0.00"
    told = {
        each.claim_id: (each.collected, each.residual, each.written_off) for each in event.claims
    }
    assert told == {
        old.claim_id: (euros("30.00"), euros("0.00"), euros("0.00")),
        newer.claim_id: (euros("5.00"), euros("15.00"), euros(given_up)),
    }
    rows = await world.rows(
        "SELECT account, sum(amount) AS amount FROM entries"
        " WHERE kind IN ('WRITTEN_OFF', 'RELEASED') GROUP BY account ORDER BY account"
    )
    against = "WRITTEN_OFF" if setting == "WRITTEN_OFF" else "RECEIVABLES"
    assert [(row.account, str(row.amount)) for row in rows] == [
        ("CLAIM", "-15.00"),
        (against, "15.00"),
    ]
    assert open_amounts(await world.case(case)) == ["0.00", "0.00"]
    assert await world.differences() == []


@pytest.mark.parametrize("end", ["cancellation", "reversal"])
async def test_only_closing_gives_anything_up(world: World, end: str) -> None:
    """R25, R26, R10: what is cancelled or reversed stays owed."""
    await world.ask("PUT", "/settings", {"residual_on_closing": "WRITTEN_OFF"})
    case = await world.open(claim("30.00"))
    if end == "reversal":
        await world.deliver(reversal(case))
        await world.work()
    else:
        await world.ask("POST", f"/cases/{case.case_id}/cancellation", {"comment": "zurück"})

    claims = [
        *(each for event in await world.published(CaseClosedV1) for each in event.claims),
        *(each for event in await world.published(CaseCancelledV1) for each in event.claims),
    ]
    assert [each.written_off for each in claims] == [euros("0.00")]
    assert await world.differences() == []


async def test_a_cancelled_case_frees_its_claims_and_keeps_its_payments(world: World) -> None:
    """R26."""
    case = await world.open(claim("30.00"))
    await world.pay(case, "10.00")

    answer = await world.ask(
        "POST", f"/cases/{case.case_id}/cancellation", {"comment": "falsches Mitglied"}
    )

    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    (event,) = await world.published(CaseCancelledV1)
    (released,) = await world.published(MemberReleasedV1)
    assert [each.residual for each in event.claims] == [euros("20.00")]
    assert (released.reason, released.claims) == (
        "CASE_CANCELLED",
        (case.claims[0].claim_id,),
    )
    assert answer.json()["payments"][0]["amount"] == money("10.00")
    assert await world.differences() == []


async def test_a_partners_closure_of_an_ended_case_changes_nothing(world: World) -> None:
    case = await world.open(claim("30.00"))
    await world.close(case)
    before = await world.booked()
    await world.deliver(closed(case))
    assert await world.booked() == before


async def test_surplus_stays_on_a_case_that_closes(world: World) -> None:
    """R29."""
    case = await world.open(claim("30.00"))
    await world.deliver(paid(case, "35.00"))
    answer = await world.close(case)
    assert (answer.json()["result"], answer.json()["unallocated"]) == ("PAID", money("5.00"))


@pytest.mark.parametrize("roles", [["collection:read"], ["collection:manage"]])
async def test_only_finance_books_and_closes(world: World, roles: list[str]) -> None:
    """R63."""
    case = await world.open()
    before = await world.booked()
    payment = {"amount": money("1.00"), "booking_date": str(PAID_ON)}
    for path, body in (
        ("payments", payment),
        ("payments?dry_run=true", payment),
        ("closure", {"comment": "Ende"}),
        (f"payments/{new_id()}/reduction", payment | {"comment": "weg"}),
        (f"payments/{new_id()}/settlement", {"outcome": "PAID_BACK", "comment": "weg"}),
    ):
        answer = await world.ask("POST", f"/cases/{case.case_id}/{path}", body, roles=roles)
        assert answer.status_code == 403, path
    assert await world.booked() == before
