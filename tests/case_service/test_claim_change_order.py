"""Claims change in whatever order it is heard, and whoever else is at work (R27, R28)."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from case_service.cases.handover import handover_of
from case_service.cases.open_cases import open_cases
from case_service.receivables.change_claims import change_claims
from contracts import (
    CaseClaimChangedV1,
    CaseOpenedV1,
    Event,
    MemberHandedOverV1,
    Money,
)
from kit.ids import new_id
from kit.trace import Cause
from tests.case_service.receivables import entries_of, money_of, snapshot
from tests.case_service.world import (
    World,
    claim,
    euros,
    handover,
    paid,
)

STORY = {
    "paid": {"sequence": 2, "paid": "10.00"},
    "corrected": {"sequence": 3, "paid": "10.00", "amount": "28.00"},
    "paid more": {"sequence": 4, "paid": "15.00", "amount": "28.00"},
}


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
async def test_the_highest_sequence_counts_in_whatever_order_they_come(
    world: World, together: bool
) -> None:
    for order in permutations((*STORY, "paid")):
        case = handover(claim("30.00"))
        said: list[Event] = [case, *(snapshot(case, **STORY[name]) for name in order)]  # type: ignore[arg-type]
        if together:
            await world.deliver(*said)
        else:
            for event in said:
                await world.deliver(event)
        assert (await money_of(world, case))["open"] == "13.00"
    assert await world.differences() == []


async def test_several_claims_of_several_cases_change_in_one_batch(world: World) -> None:
    cases = [await world.open(claim("30.00"), claim("7.00")) for _ in range(3)]
    await world.deliver(
        *(snapshot(case, each, paid="2.00") for case in cases for each in case.claims),
        *(snapshot(case, each, paid="3.00", sequence=3) for case in cases for each in case.claims),
    )
    assert [(await money_of(world, case))["open"] for case in cases] == ["31.00"] * 3
    assert len(await world.published(CaseClaimChangedV1)) == 6, "one for each claim, of the newest"
    assert await world.differences() == []


@pytest.mark.parametrize("channel", ["BY_HAND", "API"])
async def test_what_was_said_before_an_older_handover_came_changes_the_case_after_it_opened(
    world: World, channel: str
) -> None:
    """The message on the case and the notice to the partner follow; nothing is lost."""
    case = handover(claim("30.00"), partner_channel=channel)
    await world.deliver(snapshot(case, paid="12.00", sequence=5))
    await world.deliver(case)

    (event,) = await world.published(CaseClaimChangedV1)
    assert (event.open_before, event.open) == (euros("30.00"), euros("18.00"))
    assert (event.snapshot_sequence, event.paid_directly_before) == (5, euros("0.00"))
    types = await world.rows("SELECT type FROM outbox WHERE type LIKE 'case.%' ORDER BY seq")
    opened = [CaseOpenedV1.TYPE] if channel == "BY_HAND" else []
    assert [row.type for row in types] == [*opened, CaseClaimChangedV1.TYPE]
    assert (await money_of(world, case))["open"] == "18.00"
    assert await world.differences() == []


async def test_a_handover_brings_what_receivables_said_by_then(world: World) -> None:
    """Its snapshot comes later and changes nothing; what comes after that is told from there."""
    stated = claim("30.00", snapshot_sequence=4, paid_directly=euros("10.00"))
    case = handover(stated)
    await world.deliver(snapshot(case, sequence=2))
    await world.deliver(case)
    before = await world.booked()
    await world.deliver(snapshot(case, sequence=4, paid="10.00"))
    assert await world.booked() == before

    await world.deliver(snapshot(case, sequence=5, paid="10.00", amount="25.00"))

    (event,) = await world.published(CaseClaimChangedV1)
    assert (event.paid_directly_before, event.open_before) == (euros("10.00"), euros("20.00"))
    assert await entries_of(world, case) == ["CLAIM_CHANGE -5.00"]
    assert await world.differences() == []


async def test_a_claim_that_is_in_no_case_is_only_noted(world: World) -> None:
    case = handover(claim("30.00"))
    await world.deliver(snapshot(case, sequence=2))
    await world.deliver(snapshot(case, sequence=3, paid="10.00"))
    assert await world.booked() == []
    (known,) = await world.rows("SELECT sequence, paid_directly FROM claims")
    assert (known.sequence, known.paid_directly) == (3, Decimal("10.00"))


async def test_another_currency_than_before_is_set_aside_with_the_reason(world: World) -> None:
    case = await world.open(claim("30.00"))
    dollars = Money(amount=Decimal("20.00"), currency="USD")
    nothing = Money(amount=Decimal("0.00"), currency="USD")

    await world.deliver(
        snapshot(case, sequence=2, paid="4.00"),
        snapshot(case, sequence=3).model_copy(update={"amount": dollars, "paid_directly": nothing}),
    )

    letters = await world.rows(
        "SELECT CAST(headers AS text) FROM outbox WHERE type = 'dead-letter'"
    )
    assert len(letters) == 1
    reason = b64encode(b"the claim had another currency before").decode()
    assert reason in letters[0].headers
    assert (await money_of(world, case))["open"] == "26.00", "what can be used is used"
    assert await world.differences() == []


async def test_a_claim_that_belongs_to_another_member_now_stays_in_its_case(world: World) -> None:
    """Its case was handed over for the member who owed it then; amounts follow all the same."""
    case = await world.open(claim("30.00"))
    await world.deliver(snapshot(case, paid="10.00", member_id=new_id()))
    assert (await money_of(world, case))["open"] == "20.00"
    (event,) = await world.published(CaseClaimChangedV1)
    assert event.member_id == case.member_id
    assert await world.differences() == []


async def test_the_same_claim_of_another_tenant_is_another_claim(world: World) -> None:
    """R63."""
    case = await world.open(claim("30.00"))
    await world.deliver(snapshot(case, paid="10.00"), tenant_id=new_id())
    assert (await money_of(world, case))["open"] == "30.00"


async def test_a_case_keeps_its_amount_against_a_stale_change_by_staff(world: World) -> None:
    case = await world.open(claim("30.00"))
    etag = (await world.ask("GET", f"/cases/{case.case_id}")).headers["ETag"]
    await world.deliver(snapshot(case, paid="10.00"))
    answer = await world.ask(
        "POST", f"/cases/{case.case_id}/closure", {"comment": "fertig"}, If_Match=etag
    )
    assert answer.status_code == 412


async def _opens(world: World, connection: Any, case: MemberHandedOverV1) -> None:
    cause = Cause(world.tenant_id, "request-2", None)
    await open_cases(connection, [(handover_of(case), cause)], world.context.settings.time_zone)


async def _changes(world: World, connection: Any, case: MemberHandedOverV1) -> None:
    cause = Cause(world.tenant_id, "request-3", None)
    await change_claims(connection, [(snapshot(case, paid="10.00"), cause)])


Step = Callable[[World, Any, MemberHandedOverV1], Awaitable[None]]


@pytest.mark.parametrize("known", [True, False], ids=["known before", "new"])
@pytest.mark.parametrize(
    ("first", "second"), [(_opens, _changes), (_changes, _opens)], ids=["opened", "changed"]
)
async def test_opening_and_changing_at_the_same_time_miss_nothing(
    world: World, first: Step, second: Step, known: bool
) -> None:
    """The second one waits for the claim, and then sees what the first one did."""
    case = handover(claim("30.00"))
    if known:
        await world.deliver(snapshot(case, sequence=1))

    async def run_second() -> None:
        async with world.context.database.begin() as connection:
            await second(world, connection, case)

    async with world.context.database.begin() as connection:
        await first(world, connection, case)
        waiting = asyncio.create_task(run_second())
        await _until_somebody_waits_for_a_lock(world)
    await waiting

    assert (await money_of(world, case))["open"] == "20.00"
    assert len(await world.published(CaseClaimChangedV1)) == 1
    assert await world.differences() == []


async def test_many_openings_payments_and_changes_at_the_same_time_end_right(world: World) -> None:
    cases = [handover(claim("30.00")) for _ in range(12)]
    await asyncio.gather(
        *(world.deliver(case) for case in cases),
        *(world.deliver(snapshot(case, paid="10.00")) for case in cases),
    )
    await asyncio.gather(
        *(world.deliver(paid(case, "25.00")) for case in cases),
        *(
            world.deliver(snapshot(case, paid="10.00", amount="28.00", sequence=3))
            for case in cases
        ),
    )
    for case in cases:
        money = await money_of(world, case)
        assert (money["open"], Decimal(money["collected"]) + Decimal(money["unallocated"])) == (
            "0.00",
            Decimal("25.00"),
        )
    assert await world.differences() == []


async def _until_somebody_waits_for_a_lock(world: World) -> None:
    async with asyncio.timeout(60):
        while not (await world.rows("SELECT 1 FROM pg_locks WHERE NOT granted")):
            await asyncio.sleep(0.01)
