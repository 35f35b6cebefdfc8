"""Answers and payments on a run that is reversed: in any order, repeated, late. R8, R10, R11."""

import asyncio
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from contracts import (
    Event,
    MemberHandedOverV1,
    RunHandedOverV1,
    RunRejectedV1,
    RunReversedV1,
)
from kit import clock
from kit.ids import new_id
from run_service.runs.settle_runs import settle_runs
from tests.run_service.case_events import cancelled, closed, opened, paid, reduced, rejected
from tests.run_service.world import World

ORDER = {"confirmed": True, "reason": "Wrong partner"}


def story(handover: MemberHandedOverV1) -> list[Event]:
    """What is heard of a case that is taken, paid on, and ended by the reversal."""
    payment_id = new_id()
    return [
        opened(handover),
        paid(handover, "12.00", payment_id),
        reduced(handover, payment_id, "2.00"),
        closed(handover, "RUN_REVERSED"),
    ]


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("opened_before", [False, True])
async def test_a_reversal_ends_in_one_state_in_any_order_of_arrival_r10(
    world: World, repeated: bool, opened_before: bool
) -> None:
    """One member for each order of a case's four events, one that is refused, one silent."""
    orders = list(permutations(range(4)))
    partner_id = await world.partner("API")
    await world.debtors(len(orders) + 2, await world.studio())
    before = await world.get("/candidates/summary")
    run = await world.run(partner_id)
    *told, refused, silent = await world.handed_over()
    stories = [story(each) for each in told]
    if opened_before:
        await world.feed(*(events[0] for events in stories))
        await world.settle_all()
    assert (await world.post(f"/runs/{run['run_id']}/reversal", ORDER)).status_code == 202
    last = [rejected(refused), closed(silent, "RUN_REVERSED")]
    for turn in range(4):
        heard = [events[order[turn]] for events, order in zip(stories, orders, strict=True)]
        await world.feed(*heard, last[turn % 2])
        if repeated:
            await world.settle_all()
            await world.feed(*heard[::-1], *heard)
    await world.settle_all()

    seen = await world.get(f"/runs/{run['run_id']}")
    assert seen["status"] == "CANCELLED"
    assert (seen["answered"], seen["accepted"], seen["rejected"], seen["ended"]) == (26, 24, 1, 25)
    members = (await world.get(f"/runs/{run['run_id']}/members"))["items"]
    assert [each["case_status"] for each in members] == ["CLOSED"] * 24 + ["REJECTED", "CLOSED"]
    assert [each["open"]["amount"] for each in members] == ["20.00"] * 24 + ["30.00", "30.00"]
    outlook = await world.get(f"/runs/{run['run_id']}/reversal")
    assert (outlook["cases_not_ended"], outlook["cases_ended"]) == (0, 25)
    assert (outlook["cases_rejected"], outlook["open"]) == (1, [])
    assert outlook["collected"] == [{"amount": "240.00", "currency": "EUR"}]
    assert await held(world) == 0
    after = await world.get("/candidates/summary")
    assert (after["members"], after["claims"]) == (before["members"], before["claims"])
    assert after["totals"] == [{"amount": "540.00", "currency": "EUR"}]
    (event,) = await world.published(RunReversedV1)
    assert event.reversed_count == 25
    assert await world.published(RunHandedOverV1) == await world.published(RunRejectedV1) == []


async def held(world: World) -> int:
    """Return how many claims stand in a handover."""
    async with world.context.database.connect() as connection:
        count = "SELECT count(*) FROM reservations WHERE released_at IS NULL"
        return int(await connection.scalar(text(count)))


@pytest.mark.parametrize("end", [closed, cancelled])
async def test_a_yes_that_comes_after_the_end_of_a_case_counts_as_one_r8(
    world: World, end: Any
) -> None:
    partner_id = await world.partner("API")
    await world.debtors(2, await world.studio())
    run = await world.run(partner_id)
    first, second = await world.handed_over()
    await world.feed(end(first))
    await world.settle_all()
    seen = await world.get(f"/runs/{run['run_id']}")
    assert (seen["answered"], seen["accepted"], seen["ended"]) == (1, 0, 1)
    await world.feed(opened(first))
    await world.feed(opened(first), end(first))
    await world.settle_all()
    seen = await world.get(f"/runs/{run['run_id']}")
    assert (seen["answered"], seen["accepted"], seen["ended"]) == (1, 1, 1)
    assert await held(world) == 1
    await world.feed(rejected(second))
    await world.settle_all()
    assert (await world.get(f"/runs/{run['run_id']}"))["status"] == "HANDED_OVER"


async def test_a_run_that_was_reversed_leaves_members_at_their_level_r10(world: World) -> None:
    partner_id = await world.partner()
    (debtor,) = await world.debtors(1, await world.studio(), "10.00", "5.00")
    await world.run(partner_id)
    (handover,) = await world.handed_over()
    await world.feed(opened(handover), paid(handover, "10.00"))
    run_id = str(handover.run_id)
    await world.post(f"/runs/{run_id}/reversal", ORDER)
    await world.feed(closed(handover, "RUN_REVERSED"))
    await world.settle_all()
    next_run = await world.run(partner_id)
    assert next_run["totals"] == [{"amount": "5.00", "currency": "EUR"}]
    *_, again = await world.handed_over()
    assert again.member_id == debtor.member_id
    assert again.case_id != handover.case_id
    # Late echoes on the first case neither free the claims of the second nor touch its counts.
    await world.feed(closed(handover, "RUN_REVERSED"), opened(handover), cancelled(handover))
    await world.settle_all()
    assert await held(world) == 1
    seen = await world.get(f"/runs/{next_run['run_id']}")
    assert (seen["status"], seen["answered"]) == ("IN_PROGRESS", 0)


async def test_members_of_many_studios_are_settled_at_once_by_many_r8_r10(world: World) -> None:
    """Answers, payments, an order to reverse and settling meet, in parallel."""
    partner_id = await world.partner("API")
    for name in ("North", "South", "West"):
        await world.debtors(10, await world.studio(name))
    run = await world.run(partner_id)
    stories = [story(each) for each in await world.handed_over()]
    await asyncio.gather(
        *(
            world.feed(*(events[turn] for events in stories[start::3]))
            for turn in range(4)
            for start in range(3)
        ),
        *(world.feed(*(events[turn] for events in stories[::-1])) for turn in range(4)),
        *(world.settle_all() for _ in range(3)),
        world.post(f"/runs/{run['run_id']}/reversal", ORDER),
    )
    await world.settle_all()
    seen = await world.get(f"/runs/{run['run_id']}")
    assert (seen["status"], seen["accepted"], seen["ended"]) == ("CANCELLED", 30, 30)
    studios = (await world.get(f"/runs/{run['run_id']}/studios"))["items"]
    assert [(each["accepted"], each["ended"]) for each in studios] == [(10, 10)] * 3
    assert await held(world) == 0
    assert (await world.get("/candidates/summary"))["totals"] == [
        {"amount": "600.00", "currency": "EUR"}
    ]


async def test_a_run_that_cannot_be_settled_holds_no_other_up_r8(world: World) -> None:
    partner_id, studio_id = await world.partner("API"), await world.studio()
    runs = []
    for _ in range(2):
        await world.debtors(1, studio_id)
        runs.append((await world.run(partner_id))["run_id"])
    first, second = await world.handed_over()
    await world.feed(opened(first))
    await world.feed(opened(second))
    async with world.context.database.begin() as connection:
        broken = "UPDATE runs SET booking_number = 'broken' WHERE run_id = :run_id"
        await connection.execute(text(broken), {"run_id": first.run_id})
    with pytest.raises(ValidationError):
        await settle_runs(world.context)
    await world.settle_all()
    states = [(await world.get(f"/runs/{run_id}"))["status"] for run_id in runs]
    assert states == ["IN_PROGRESS", "HANDED_OVER"]

    async with world.context.database.begin() as connection:
        mended = """
            UPDATE runs SET booking_number = '2026-000999', next_settling_at = :now
            WHERE run_id = :run_id AND next_settling_at > :now
        """
        later = {"run_id": first.run_id, "now": clock.now() + timedelta(seconds=1)}
        assert (await connection.execute(text(mended), later)).rowcount == 1
    async with asyncio.timeout(20):
        while not await settle_runs(world.context):
            await asyncio.sleep(0.1)
    assert (await world.get(f"/runs/{first.run_id}"))["status"] == "HANDED_OVER"
