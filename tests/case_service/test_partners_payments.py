"""What partners report of money is never refused, and no cent of it vanishes (R23, R29, R51)."""

from decimal import Decimal

import pytest

from contracts import CasePaymentBookedV1, CasePaymentReducedV1
from tests.case_service.world import (
    World,
    claim,
    corrected,
    euros,
    handover,
    money,
    open_amounts,
    paid,
    rejected,
    reversal,
    share,
)


async def test_a_correction_takes_back_what_was_settled_last_first(world: World) -> None:
    """R23, R29: over two cases, then from the first claims."""
    own, next_claim = claim("30.00"), claim("20.00")
    case = await world.open(own)
    following = await world.open(next_claim, member_id=case.member_id)
    payment_id = await world.receive(case, "50.00")
    await world.settle(
        case, payment_id, "ALLOCATED", shares=[share(next_claim, "12.00", following)]
    )

    await world.deliver(corrected(case, "35.00"))
    assert (await world.case(case))["unallocated"] == money("0.00")
    assert open_amounts(await world.case(following)) == ["15.00"]

    await world.deliver(corrected(case, "10.00"))
    assert open_amounts(await world.case(following)) == ["20.00"]
    assert open_amounts(await world.case(case)) == ["20.00"]
    assert await world.differences() == []


async def test_a_correction_below_what_was_paid_out_leaves_a_shortfall(world: World) -> None:
    """R29: what left the case and had never come in is missing, and is told so."""
    case = await world.open(claim("30.00"))
    payment_id = await world.receive(case, "50.00")
    await world.settle(case, payment_id, "PAID_BACK", amount=money("20.00"))

    by_staff = await world.reduce(case, payment_id, "19.99")
    await world.deliver(corrected(case, "5.00"))

    assert [error["field"] for error in by_staff.json()["errors"]] == ["amount"]
    shown = await world.case(case)
    assert (shown["open"], shown["unallocated"]) == (money("30.00"), money("0.00"))
    (event,) = await world.published(CasePaymentReducedV1)
    assert (event.amount_after, event.shortfall) == (euros("5.00"), euros("15.00"))
    assert await _money_of(world) == {
        "COLLECTED": "5.00",
        "PAID_OUT": "-20.00",
        "SHORTFALL": "15.00",
    }
    assert await world.differences() == []


async def test_a_correction_upwards_after_a_shortfall_is_a_payment_of_its_own(
    world: World,
) -> None:
    case = await world.open(claim("30.00"))
    payment_id = await world.receive(case, "50.00")
    await world.settle(case, payment_id, "PAID_BACK", amount=money("20.00"))

    await world.deliver(corrected(case, "5.00"), corrected(case, "50.00"))

    shown = await world.case(case)
    assert [each["amount"] for each in shown["payments"]] == [money("5.00"), money("45.00")]
    assert (shown["open"], shown["unallocated"]) == (money("0.00"), money("15.00"))
    assert await world.differences() == []


async def test_reports_beyond_what_one_amount_can_hold_are_kept(world: World) -> None:
    """R29: no report is too much."""
    case = await world.open(claim("30.00"))
    largest = "999999999999.99"

    await world.deliver(*(paid(case, largest, f"P-{number}") for number in range(3)))

    assert await world.dead_letters() == 0
    shown = await world.case(case)
    assert shown["unallocated"] == money(str(3 * Decimal(largest) - 30))
    await world.ask("PUT", f"/cases/{case.case_id}/file-number", {"file_number": "AZ-1"})
    for path in ("/cases", "/unallocated", "/members", f"/files/{case.partner_id}/AZ-1"):
        assert (await world.ask("GET", path)).status_code == 200, path
    payment_id = shown["payments"][-1]["payment_id"]
    answer = await world.settle(case, payment_id, "PAID_BACK", amount=money(largest))
    assert answer.status_code == 201, answer.text
    assert len(await world.published(CasePaymentBookedV1)) == 3
    assert await world.differences() == []


async def test_a_payment_of_fees_alone_is_kept(world: World) -> None:
    """R51: the partner kept all of it."""
    case = await world.open(claim("30.00"))
    await world.deliver(
        paid(case, "0.00", own_fees=euros("9.90")), corrected(case, "4.00", fees="5.90")
    )
    shown = await world.case(case)
    assert shown["open"] == money("26.00")
    assert [(each["amount"], each["own_fees"]) for each in shown["payments"]] == [
        (money("0.00"), money("5.90")),
        (money("4.00"), money("0.00")),
    ]
    assert await world.dead_letters() == 0
    assert await world.differences() == []


async def test_a_correction_in_another_currency_is_a_dead_letter(world: World) -> None:
    case = await world.open(claim("30.00"))
    await world.deliver(paid(case, "10.00"))
    before = await world.booked()
    francs = euros("5.00").model_copy(update={"currency": "CHF"})
    report = corrected(case, "5.00").model_copy(update={"amount": francs, "own_fees": francs})

    await world.deliver(report)

    assert await world.dead_letters() == 1
    assert [row for row in await world.booked() if "dead-letter" not in row] == before


async def test_a_correction_waits_for_its_payment(world: World) -> None:
    """R51: reports may come in any order."""
    case = await world.open(claim("30.00"))
    await world.deliver(corrected(case, "8.00", fees="1.00"))
    assert len(await world.parked()) == 1

    await world.deliver(paid(case, "10.00"))

    assert await world.parked() == []
    assert (await world.case(case))["open"] == money("22.00")
    assert await world.differences() == []


async def _money_of(world: World) -> dict[str, str]:
    """Return what stands on the accounts of money, but those with nothing."""
    rows = await world.rows(
        "SELECT account, sum(amount) AS amount FROM entries"
        " WHERE account IN ('COLLECTED', 'UNALLOCATED', 'PAID_OUT', 'SHORTFALL')"
        " GROUP BY account HAVING sum(amount) <> 0"
    )
    return {row.account: str(row.amount) for row in rows}


@pytest.mark.parametrize("end", ["closed", "cancelled", "rejected", "reversed"])
async def test_money_on_a_case_that_is_over_is_kept_whatever_its_end(
    world: World, end: str
) -> None:
    """R29: payments, corrections upwards and repeats."""
    case = handover(claim("30.00"), partner_channel="API" if end == "rejected" else "BY_HAND")
    await world.deliver(case)
    match end:
        case "closed":
            await world.close(case)
        case "cancelled":
            await world.ask("POST", f"/cases/{case.case_id}/cancellation", {"comment": "zurück"})
        case "rejected":
            await world.deliver(rejected(case))
        case _:
            await world.deliver(reversal(case))
            await world.work()

    await world.deliver(paid(case, "10.00"), corrected(case, "15.00"), paid(case, "10.00"))

    shown = await world.case(case)
    assert (shown["open"], shown["unallocated"]) == (money("0.00"), money("15.00"))
    assert await world.dead_letters() == 0
    await world.deliver(corrected(case, "0.00"))
    assert (await world.case(case))["unallocated"] == money("0.00")
    assert await world.differences() == []


async def test_reports_say_the_same_again_and_again_and_act_once(world: World) -> None:
    """R51: together, apart, and after all that came later."""
    case = await world.open(claim("30.00"))
    reports = [paid(case, "10.00"), paid(case, "25.00", "P-2"), corrected(case, "8.00")]

    await world.deliver(*reports, *reports)
    once = await world.booked()
    for report in reports:
        await world.deliver(report)

    assert await world.booked() == once
    shown = await world.case(case)
    assert [each["amount"] for each in shown["payments"]] == [money("8.00"), money("25.00")]
    assert await world.differences() == []
