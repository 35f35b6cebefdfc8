"""A run is reversed: each case that has not ended closes in the status it has (R10, R24)."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import text

from case_service.cases.handover import handover_of
from case_service.cases.open_cases import open_cases
from case_service.runs import store as run_store
from case_service.runs.reverse_runs import reverse_runs
from contracts import (
    CaseClosedV1,
    CaseOpenedV1,
    Event,
    MemberDunningLevelResetV1,
    MemberHandedOverV1,
    MemberReleasedV1,
)
from kit.ids import new_id
from kit.trace import Cause
from tests.case_service.world import (
    World,
    accepted,
    claim,
    closed,
    handover,
    paid,
    reversal,
    run_accepted,
)


def _run(count: int, channel: str = "BY_HAND") -> list[MemberHandedOverV1]:
    run_id, partner_id = new_id(), new_id()
    return [
        handover(run_id=run_id, partner_id=partner_id, partner_channel=channel)
        for _ in range(count)
    ]


async def test_open_and_waiting_cases_close_and_ended_ones_stay(world: World) -> None:
    done, open_, waiting = _run(3)
    waiting = waiting.model_copy(update={"partner_channel": "API"})
    await world.deliver(done, open_, waiting)
    await world.deliver(closed(done), paid(open_, "10.00"))

    await world.deliver(reversal(done))
    await world.work()

    shown = [await world.case(each) for each in (done, open_, waiting)]
    assert [(each["status"], each["close_reason"]) for each in shown] == [
        ("CLOSED", "COMPLETED"),
        ("CLOSED", "RUN_REVERSED"),
        ("CLOSED", "RUN_REVERSED"),
    ]
    assert [each["result"] for each in shown] == ["UNPAID", "PARTLY_PAID", "UNPAID"]
    claim_ = shown[1]["claims"][0]
    assert [claim_[name]["amount"] for name in ("collected", "open")] == ["10.00", "0.00"]
    assert (shown[1]["history"][0]["actor"], shown[1]["history"][0]["why"]) == (
        "staff-7",
        "falscher Partner",
    )
    released = await world.published(MemberReleasedV1)
    assert [each.reason for each in released] == ["CASE_CLOSED", "RUN_REVERSED", "RUN_REVERSED"]
    assert len(await world.published(MemberDunningLevelResetV1)) == 1, "not by the reversal"
    assert await world.differences() == []


@pytest.mark.parametrize(("channel", "opened"), [("BY_HAND", 1), ("API", 0)])
async def test_a_handover_that_comes_after_the_reversal_closes_at_once(
    world: World, channel: str, opened: int
) -> None:
    early, late = _run(2, channel)
    await world.deliver(reversal(early))
    await world.work()

    await world.deliver(late)

    shown = await world.case(late)
    assert (shown["status"], shown["close_reason"]) == ("CLOSED", "RUN_REVERSED")
    assert len(await world.published(CaseOpenedV1)) == opened
    assert len(await world.published(CaseClosedV1)) == 1
    assert await world.differences() == []


async def test_it_goes_on_after_a_crash_and_in_several_instances(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_store, "CASES_AT_A_TIME", 3)
    runs = [_run(10), _run(10)]
    for cases in runs:
        await world.deliver(*cases)
        await world.deliver(reversal(cases[0]))
    await _crash_in_the_middle_of_a_batch(world, monkeypatch)
    assert len(await world.published(CaseClosedV1)) == 0, "a batch counts as a whole or not at all"

    async def instance() -> None:
        while await reverse_runs(world.context):
            pass

    await asyncio.gather(*(instance() for _ in range(4)))
    await instance()

    events = await world.published(CaseClosedV1)
    assert {event.case_id for event in events} == {case.case_id for cases in runs for case in cases}
    assert len(events) == 20
    assert await world.differences() == []


async def test_a_reversal_and_late_handovers_at_the_same_time_miss_no_case(world: World) -> None:
    cases = _run(30)

    async def hand_over(case: MemberHandedOverV1) -> None:
        await world.deliver(case)

    await asyncio.gather(
        *(hand_over(case) for case in cases[:8]),
        world.deliver(reversal(cases[0])),
        *(hand_over(case) for case in cases[8:14]),
    )
    await world.work()

    states = await world.rows("SELECT status, close_reason, count(*) FROM cases GROUP BY 1, 2")
    assert [tuple(row) for row in states] == [("CLOSED", "RUN_REVERSED", 14)]


async def test_an_answer_to_a_run_and_late_handovers_at_the_same_time_miss_no_case(
    world: World,
) -> None:
    cases = _run(12, "API")
    await asyncio.gather(
        *(world.deliver(case) for case in cases[:6]),
        world.deliver(run_accepted(cases[0])),
        *(world.deliver(case) for case in cases[6:]),
    )
    await world.work()

    states = await world.rows("SELECT status, count(*) FROM cases GROUP BY 1")
    assert [tuple(row) for row in states] == [("OPEN", 12)]
    assert len(await world.published(CaseOpenedV1)) == 12


@pytest.mark.parametrize("said", [reversal, run_accepted])
async def test_what_is_said_of_a_run_waits_for_the_cases_that_are_just_being_opened(
    world: World, said: Callable[[MemberHandedOverV1], Event]
) -> None:
    """Or a case could be opened that knows nothing of it, after all others were worked through."""
    early, late = _run(2, "API")
    await world.deliver(early)
    key = (world.tenant_id, early.run_id)
    async with world.context.database.begin() as connection:
        assert await run_store.share_runs(connection, [key]) == {}
        saying = asyncio.create_task(world.deliver(said(early)))
        await _until_somebody_waits_for_a_lock(world)
        cause = Cause(world.tenant_id, "request-2", None)
        await open_cases(connection, [(handover_of(late), cause)], world.context.settings.time_zone)
    await saying
    await world.work()

    assert (await world.case(late))["status"] == (await world.case(early))["status"] != "PENDING"


async def test_answers_to_a_run_that_is_being_reversed_wait_without_holding_its_cases(
    world: World,
) -> None:
    """Or the two would wait for each other."""
    (case,) = _run(1, "API")
    await world.deliver(case, reversal(case))
    async with world.context.database.begin() as connection:
        ordered = await run_store.next_reversal(connection)
        assert ordered is not None
        answering = asyncio.create_task(world.deliver(accepted(case), run_accepted(case)))
        await _until_somebody_waits_for_a_lock(world)
        await connection.execute(text("SET LOCAL lock_timeout = '300ms'"))
        assert len(await run_store.lock_live_cases(connection, ordered)) == 1
    await answering


async def _until_somebody_waits_for_a_lock(world: World) -> None:
    async with asyncio.timeout(60):
        while not (await world.rows("SELECT 1 FROM pg_locks WHERE NOT granted")):
            await asyncio.sleep(0.01)


async def _crash_in_the_middle_of_a_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class CrashError(Exception):
        """The process is gone."""

    async def crash(*_: object) -> None:
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr("case_service.store.outbox.publish_written", crash)
        with pytest.raises(CrashError):
            await reverse_runs(world.context)


async def test_claims_of_a_reversed_run_can_be_handed_over_again(world: World) -> None:
    owed = claim("30.00")
    first = await world.open(owed)
    await world.deliver(paid(first, "10.00"), reversal(first))
    await world.work()

    second = await world.open(owed, member_id=first.member_id)

    assert (await world.case(second))["open"]["amount"] == "20.00"
