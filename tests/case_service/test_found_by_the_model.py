"""The smallest ways to what `test_model.py` has found wrong."""

from collections.abc import Callable

import pytest

from contracts import Event, MemberHandedOverV1
from tests.case_service.receivables import snapshot
from tests.case_service.world import World, claim, euros, handover, paid, reversal, run_rejected


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
