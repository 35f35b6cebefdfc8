"""A claim comes back after its case has ended: what the new case is to collect (R10, R20, R23)."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import text

from case_service import store
from case_service.cases.handover import handover_of
from case_service.cases.open_cases import open_cases
from contracts import CaseClaimChangedV1, Event, HandoverClaim, MemberHandedOverV1, Money
from kit.ids import new_id
from kit.trace import Cause
from tests.case_service.receivables import entries_of, money_of, snapshot, version_of
from tests.case_service.world import (
    World,
    accepted,
    claim,
    closed,
    corrected,
    handover,
    money,
    paid,
    rejected,
    reversal,
)


async def _again(world: World, first: MemberHandedOverV1) -> MemberHandedOverV1:
    """Hand the same claims over again."""
    return await world.open(*first.claims, member_id=first.member_id, studio=first.studio)


@pytest.mark.parametrize("end", [closed, reversal, rejected])
async def test_what_was_collected_before_is_not_collected_again(
    world: World, end: Callable[[MemberHandedOverV1], Event]
) -> None:
    """R10: what an earlier case released comes back, less what was paid there."""
    first = await world.open(claim("30.00"), claim("7.00"), partner_channel="API")
    expected = "37.00"
    if end is not rejected:
        await world.deliver(accepted(first), paid(first, "10.00"))
        expected = "27.00"
    await world.deliver(end(first))
    await world.work()

    second = await _again(world, first)

    assert (await money_of(world, second))["open"] == expected
    assert (await money_of(world, first))["open"] == "0.00"
    assert await world.differences() == []


async def test_what_was_written_off_is_not_collected_again(world: World) -> None:
    """R25: not even when the claim grows, but for what it grows by."""
    settings = {"residual_on_closing": "WRITTEN_OFF", "allocation_order": "OLDEST_FIRST"}
    answer = await world.ask("PUT", "/settings", settings)
    assert answer.is_success, answer.text
    first = await world.open(claim("30.00"))
    await world.deliver(paid(first, "10.00"), closed(first))

    second = await _again(world, first)
    assert (await money_of(world, second))["open"] == "0.00"
    await world.deliver(snapshot(second, amount="25.00"))
    assert (await money_of(world, second))["open"] == "0.00"
    await world.deliver(snapshot(second, amount="34.00", sequence=3))
    assert (await money_of(world, second))["open"] == "4.00"
    assert await world.differences() == []


async def test_what_was_open_again_on_an_earlier_case_goes_into_the_new_one(
    world: World,
) -> None:
    """R23: it is owed once, and collected where the partner works."""
    first = await world.open(claim("30.00"), claim("7.00"))
    await world.deliver(paid(first, "20.00"), closed(first), corrected(first, "5.00"))
    assert (await money_of(world, first))["open"] == "15.00"
    version = await version_of(world, first)

    second = await _again(world, first)

    assert (await money_of(world, first))["open"] == "0.00"
    assert (await money_of(world, second))["open"] == "32.00"
    assert (await entries_of(world, first))[-1] == "RELEASED -15.00"
    assert await version_of(world, first) == version + 1
    (item,) = await world.rows("SELECT * FROM history WHERE kind = 'HANDED_OVER_AGAIN'")
    assert (item.case_id, item.details, item.actor) == (
        first.case_id,
        {"amount": "15.00"},
        "run-service",
    )
    assert await world.differences() == []


async def test_only_claims_that_come_back_leave_the_earlier_case(world: World) -> None:
    first = await world.open(claim("30.00"), claim("7.00"))
    await world.deliver(paid(first, "37.00"), closed(first), corrected(first, "0.00"))

    second = await world.open(first.claims[0], member_id=first.member_id)

    assert (await money_of(world, first))["open"] == "7.00"
    assert (await money_of(world, second))["open"] == "30.00"
    assert await world.differences() == []


async def test_a_payment_of_the_earlier_case_that_shrinks_later_opens_that_case_again(
    world: World,
) -> None:
    """R23: the new case keeps its amount; both together are what is owed."""
    first = await world.open(claim("30.00"))
    await world.deliver(paid(first, "20.00"), closed(first))
    second = await _again(world, first)
    await world.deliver(corrected(first, "12.00"))
    assert (await money_of(world, first))["open"] == "8.00"
    assert (await money_of(world, second))["open"] == "10.00"

    await world.deliver(snapshot(second, sequence=2))
    assert await world.published(CaseClaimChangedV1) == [], "an echo"
    await world.deliver(snapshot(second, paid="5.00", sequence=3))
    assert (await money_of(world, first))["open"] == "8.00"
    assert (await money_of(world, second))["open"] == "5.00", "first where the partner works"
    await world.deliver(snapshot(second, paid="14.00", sequence=4))
    assert (await money_of(world, first))["open"] == "4.00"
    assert (await money_of(world, second))["open"] == "0.00"
    assert await world.differences() == []


async def test_a_handover_with_news_frees_the_surplus_of_an_earlier_case(world: World) -> None:
    """R28: the claim was corrected, and nobody has said so here but the handover itself."""
    first = await world.open(claim("30.00"), claim("9.00"))
    await world.deliver(paid(first, "30.00"), closed(first))
    known = first.claims[0].model_copy(
        update={"snapshot_sequence": 3, "amount": first.claims[1].amount}
    )

    second = await world.open(known, first.claims[1], member_id=first.member_id)

    assert await money_of(world, first) == {
        "open": "0.00",
        "collected": "9.00",
        "unallocated": "21.00",
    }
    assert (await money_of(world, second))["open"] == "9.00"
    assert await world.differences() == []


async def test_a_claim_that_belongs_to_another_member_now_is_collected_once(world: World) -> None:
    first = await world.open(claim("30.00"))
    await world.deliver(paid(first, "10.00"), closed(first))
    second = await world.open(*first.claims)
    assert second.member_id != first.member_id
    assert (await money_of(world, second))["open"] == "20.00"
    await world.deliver(snapshot(second, amount="4.00"))
    assert (await money_of(world, first))["unallocated"] == "6.00"
    assert (await money_of(world, second))["open"] == "0.00"
    assert await world.differences() == []


async def test_unallocated_money_goes_to_a_claim_only_where_it_is_collected_now(
    world: World,
) -> None:
    """R29: staff settle on the earlier case while the claim just goes into a new one."""
    first = await world.open(claim("30.00"))
    await world.deliver(closed(first), paid(first, "30.00"))
    (payment,) = await world.rows("SELECT payment_id FROM payments")
    share = {"claim_id": str(first.claims[0].claim_id), "amount": money("30.00")}
    second = handover(*first.claims, member_id=first.member_id)

    async with world.context.database.begin() as connection:
        cause = Cause(world.tenant_id, "request-2", None)
        await open_cases(
            connection, [(handover_of(second), cause)], world.context.settings.time_zone
        )
        settling = asyncio.create_task(
            world.settle(first, payment.payment_id, "ALLOCATED", shares=[share])
        )
        await _until_somebody_waits_for_a_lock(world)
    answer = await settling

    assert answer.status_code == 422, answer.text
    assert (await money_of(world, second))["open"] == "30.00"
    assert await world.differences() == []


async def test_handing_over_again_and_closing_never_wait_in_a_circle(world: World) -> None:
    """Both lock cases of the member before the member itself."""
    first = await world.open(claim("30.00"))
    await world.deliver(closed(first))
    other = await world.open(claim("7.00"), member_id=first.member_id)

    async with world.context.database.begin() as connection:
        await store.lock_cases(connection, [(world.tenant_id, other.case_id)])
        opening = asyncio.create_task(_again(world, first))
        await _until_somebody_waits_for_a_lock(world)
        await connection.execute(text("SET LOCAL lock_timeout = '300ms'"))
        await store.lock_members(connection, [(world.tenant_id, first.member_id)])
    second = await opening

    assert (await money_of(world, second))["open"] == "30.00"


async def _until_somebody_waits_for_a_lock(world: World) -> None:
    async with asyncio.timeout(60):
        while not (await world.rows("SELECT 1 FROM pg_locks WHERE NOT granted")):
            await asyncio.sleep(0.01)


async def test_a_handover_in_another_currency_than_the_claim_is_set_aside(world: World) -> None:
    """What is owed in euros is not collected in dollars."""
    owed = claim("20.00")
    first = await world.open(owed)
    await world.deliver(closed(first))
    dollars = Money(amount=Decimal("20.00"), currency="USD")
    changes = {"amount": dollars, "to_collect": dollars, "snapshot_sequence": 3}
    nothing = Money(amount=Decimal("0.00"), currency="USD")
    other = owed.model_copy(update=changes | {"paid_directly": nothing})

    await world.deliver(handover(other, member_id=first.member_id), handover(claim("1.00")))

    assert await world.dead_letters() == 1
    assert [row.currency for row in await world.rows("SELECT currency FROM cases")] == ["EUR"] * 2
    assert await world.differences() == []


async def test_a_handover_that_is_set_aside_leaves_nothing_behind(world: World) -> None:
    """Neither its run nor its other claims; what came with it becomes cases."""
    owed, unheard = claim("20.00"), claim("7.00")
    await world.deliver(closed(await world.open(owed)))
    dollars = Money(amount=Decimal("20.00"), currency="USD")
    amounts = {"amount": dollars, "to_collect": dollars, "paid_directly": dollars}
    in_dollars = [HandoverClaim(**(dict(each) | amounts)) for each in (unheard, owed)]
    good = handover(claim("1.00"))

    await world.deliver(handover(*in_dollars), good)

    assert await world.dead_letters() == 1
    claims = await world.rows("SELECT claim_id FROM claims")
    assert {row.claim_id for row in claims} == {owed.claim_id, good.claims[0].claim_id}
    assert len(await world.rows("SELECT run_id FROM runs")) == 2


@pytest.mark.parametrize("ids_descend", [False, True])
@pytest.mark.parametrize(
    ("said", "usable"),
    [
        pytest.param(["EUR a", "USD a"], [0], id="the first counts"),
        pytest.param(["EUR a", "USD ab", "EUR b"], [0, 2], id="what is refused refuses nothing"),
        pytest.param(["EUR ka", "USD a", "EUR ab", "USD b"], [1, 3], id="nor in turn"),
    ],
)
async def test_currencies_of_one_batch_count_as_if_handovers_came_one_by_one(
    world: World, said: list[str], usable: list[int], ids_descend: bool
) -> None:
    """In the order in which they came, whatever the ids of their cases; `k` was in dollars."""
    claims = {name: new_id() for name in "kab"}
    case_ids = sorted((new_id() for _ in said), reverse=ids_descend)

    def in_currency(currency: str, names: str) -> list[HandoverClaim]:
        some, nothing = (
            Money(amount=Decimal(each), currency=currency) for each in ("2.00", "0.00")
        )
        amounts = {"amount": some, "to_collect": some, "paid_directly": nothing}
        known = [claim("2.00", claim_id=claims[name]) for name in names]
        return [HandoverClaim(**(dict(each) | amounts)) for each in known]

    known = await world.open(*in_currency("USD", "k"))
    handovers = [
        handover(*in_currency(*each.split()), case_id=case_id)
        for each, case_id in zip(said, case_ids, strict=True)
    ]

    await world.deliver(*handovers)

    expected = {known.case_id} | {handovers[place].case_id for place in usable}
    assert {row.case_id for row in await world.rows("SELECT case_id FROM cases")} == expected
    assert await world.differences() == []


async def test_claims_that_are_more_than_an_amount_can_be_are_set_aside(world: World) -> None:
    most = "999999999999.99"
    await world.deliver(handover(claim(most), claim(most)), handover(claim(most)))
    assert await world.dead_letters() == 1
    assert len(await world.rows("SELECT case_id FROM cases")) == 1
