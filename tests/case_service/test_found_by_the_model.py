"""The smallest ways to what `test_model.py` has found wrong."""

from collections.abc import Callable
from datetime import date

import pytest

from contracts import Event, MemberHandedOverV1
from tests.case_service.receivables import money_of, snapshot
from tests.case_service.world import (
    World,
    claim,
    closed,
    corrected,
    euros,
    handover,
    open_amounts,
    paid,
    reversal,
    run_rejected,
)


@pytest.mark.parametrize(("said", "status"), [(run_rejected, "REJECTED"), (reversal, "CLOSED")])
async def test_a_case_of_a_run_that_is_over_ends_with_what_is_owed_by_now(
    world: World, said: Callable[[MemberHandedOverV1], Event], status: str
) -> None:
    """Its handover comes last, and does not know what receivables has said since."""
    case = handover(claim("10.00"), partner_channel="API")
    await world.deliver(said(case))
    await world.work()
    await world.deliver(snapshot(case, amount="15.00"))
    await world.deliver(case)

    shown = await world.case(case)
    assert shown["status"] == status
    assert shown["residual"]["amount"] == "15.00"


async def test_a_payment_of_fees_alone_has_entries_as_any_other(world: World) -> None:
    """A partner keeps all that it got for itself, and reports it."""
    case = await world.open(claim("10.00"))
    await world.deliver(paid(case, "0.00", own_fees=euros("5.00")))

    assert await world.differences() == []


async def test_an_echo_changes_nothing_on_a_claim_of_which_much_was_given_up(world: World) -> None:
    """More was given up before than is left, and a payment opened the claim again since."""
    await world.ask("PUT", "/settings", {"residual_on_closing": "WRITTEN_OFF"})
    owed = claim("100.00")
    first = await world.open(owed)
    await world.deliver(paid(first, "60.00"), closed(first))
    await world.deliver(snapshot(first, amount="120.00"))
    again = owed.model_copy(update={"amount": euros("120.00"), "snapshot_sequence": 2})
    case = await world.open(again, member_id=first.member_id)
    await world.deliver(paid(case, "20.00"))
    await world.deliver(snapshot(case, amount="80.00", sequence=3))
    await world.deliver(corrected(case, "0.00"))
    assert (await money_of(world, case))["open"] == "20.00"

    await world.deliver(snapshot(case, amount="80.00", sequence=4))

    assert (await money_of(world, case))["open"] == "20.00"
    assert await world.differences() == []


async def test_a_claim_that_gets_money_again_has_the_newest_share_of_it(world: World) -> None:
    """R23: what it had of the payment before does not make its share an old one."""
    first, second = claim("30.00", date(2026, 1, 1)), claim("20.00", date(2026, 2, 1))
    case = await world.open(first, second)
    await world.deliver(paid(case, "60.00"))
    await world.deliver(snapshot(case, first, amount="40.00"))
    (payment,) = (await world.case(case))["payments"]
    given = {"claim_id": str(first.claim_id), "amount": {"amount": "10.00", "currency": "EUR"}}
    settled = await world.settle(case, payment["payment_id"], "ALLOCATED", shares=[given])
    assert settled.status_code == 201, settled.text

    await world.deliver(corrected(case, "55.00"))

    assert open_amounts(await world.case(case)) == ["5.00", "0.00"]
