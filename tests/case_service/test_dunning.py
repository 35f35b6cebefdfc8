"""The member's dunning level is reset once, when its last case closes completed (R24)."""

import asyncio
from collections.abc import Awaitable

import pytest

from contracts import MemberDunningLevelResetV1, MemberHandedOverV1
from kit.ids import new_id
from tests.case_service.world import PAID_ON, World, closed, handover, money, rejected, reversal


async def _cases_of_one_member(world: World, count: int) -> list[MemberHandedOverV1]:
    member_id = new_id()
    return [await world.open(member_id=member_id) for _ in range(count)]


async def test_only_the_last_case_of_a_member_resets_it(world: World) -> None:
    first, second = await _cases_of_one_member(world, 2)

    await world.deliver(closed(first))
    assert await world.published(MemberDunningLevelResetV1) == []

    await world.deliver(closed(second))
    (event,) = await world.published(MemberDunningLevelResetV1)
    assert (event.member_id, event.case_id) == (first.member_id, second.case_id)


async def test_two_cases_closed_in_one_batch_reset_once(world: World) -> None:
    first, second = await _cases_of_one_member(world, 2)
    await world.deliver(closed(first), closed(second))
    (event,) = await world.published(MemberDunningLevelResetV1)
    assert event.case_id == second.case_id


async def test_a_case_that_waits_for_its_answer_is_not_the_end(world: World) -> None:
    case = await world.open()
    await world.open(member_id=case.member_id, partner_channel="API")
    await world.deliver(closed(case))
    assert await world.published(MemberDunningLevelResetV1) == []


@pytest.mark.parametrize("end", ["cancellation", "reversal"])
async def test_a_last_case_that_ends_otherwise_resets_nothing(world: World, end: str) -> None:
    first, second = await _cases_of_one_member(world, 2)
    await world.deliver(closed(first))
    if end == "reversal":
        await world.deliver(reversal(second))
        await world.work()
    else:
        await world.ask("POST", f"/cases/{second.case_id}/cancellation", {"comment": "Irrtum"})
    assert await world.published(MemberDunningLevelResetV1) == []


async def test_two_cases_closed_at_the_same_moment_reset_exactly_once(world: World) -> None:
    for _ in range(10):
        cases = await _cases_of_one_member(world, 3)
        ends: list[Awaitable[object]] = [
            world.ask("POST", f"/cases/{case.case_id}/closure", {"comment": "fertig"})
            for case in cases[:2]
        ]
        await asyncio.gather(*ends, world.deliver(closed(cases[2])))
        resets = [
            event
            for event in await world.published(MemberDunningLevelResetV1)
            if event.member_id == cases[0].member_id
        ]
        assert len(resets) == 1


async def test_of_two_cases_that_staff_close_at_once_the_last_one_resets(world: World) -> None:
    """R24: also when a last payment is booked in the same step."""
    payment = {"amount": money("1.00"), "booking_date": str(PAID_ON)}
    for _ in range(10):
        cases = await _cases_of_one_member(world, 2)
        answers = await asyncio.gather(*(world.close(case, payment=payment) for case in cases))
        assert [answer.status_code for answer in answers] == [200, 200]
        events = [
            event
            for event in await world.published(MemberDunningLevelResetV1)
            if event.member_id == cases[0].member_id
        ]
        # Which of them came last only its commit tells: history is numbered before that.
        assert [event.case_id in {case.case_id for case in cases} for event in events] == [True]


async def test_a_closing_that_fails_resets_nothing(world: World) -> None:
    """R24: all or nothing."""
    (case,) = await _cases_of_one_member(world, 1)
    too_much = {"amount": money("30.01"), "booking_date": str(PAID_ON)}
    assert (await world.close(case, payment=too_much)).status_code == 422
    assert await world.published(MemberDunningLevelResetV1) == []


async def test_closing_after_all_others_were_cancelled_or_refused_resets(world: World) -> None:
    first, second = await _cases_of_one_member(world, 2)
    refused = handover(member_id=first.member_id, partner_channel="API")
    await world.deliver(refused, rejected(refused))
    await world.ask("POST", f"/cases/{second.case_id}/cancellation", {"comment": "Irrtum"})
    assert await world.published(MemberDunningLevelResetV1) == []

    await world.close(first)

    (event,) = await world.published(MemberDunningLevelResetV1)
    assert (event.member_id, event.case_id) == (first.member_id, first.case_id)


async def test_another_member_and_another_tenant_do_not_hold_a_reset_back(world: World) -> None:
    (case,) = await _cases_of_one_member(world, 1)
    await world.open()
    await world.deliver(handover(member_id=case.member_id), tenant_id=new_id())

    await world.close(case)

    (event,) = await world.published(MemberDunningLevelResetV1)
    assert event.member_id == case.member_id
