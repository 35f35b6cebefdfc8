"""Whatever comes first, the end is the same; and what comes twice acts once."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from contracts import CaseClosedV1, Event, MemberDunningLevelResetV1, MemberHandedOverV1
from kit.ids import new_id
from tests.case_service.world import (
    World,
    accepted,
    claim,
    closed,
    corrected,
    file_number_assigned,
    handover,
    paid,
    rejected,
    reversal,
    run_accepted,
    run_rejected,
)

Story = Callable[[MemberHandedOverV1], list[Event]]

STORIES: dict[str, Story] = {
    "taken and paid": lambda case: [case, accepted(case, "AZ 1"), paid(case, "10.00")],
    "taken with its run and paid": lambda case: [case, run_accepted(case), paid(case, "10.00")],
    "taken, and taken with its run under a number": lambda case: [
        case,
        accepted(case),
        run_accepted(case, "R 1"),
    ],
    "taken with its run under a number, and closed": lambda case: [
        case,
        accepted(case),
        run_accepted(case, "R 1"),
        closed(case),
    ],
    "taken with its run under a number, and reversed": lambda case: [
        case,
        run_accepted(case, "R 1"),
        reversal(case),
    ],
    "paid and corrected": lambda case: [
        case,
        accepted(case),
        paid(case, "30.00"),
        corrected(case, "12.00"),
    ],
    "refused": lambda case: [case, rejected(case), rejected(case)],
    "refused with its run": lambda case: [case, run_rejected(case)],
    "reversed": lambda case: [case, reversal(case), reversal(case)],
    "reversed and numbered": lambda case: [
        case,
        reversal(case),
        file_number_assigned(case, "AZ 2"),
    ],
    "taken, then closed twice": lambda case: [case, accepted(case), closed(case), closed(case)],
    "numbered and closed": lambda case: [
        case,
        accepted(case),
        file_number_assigned(case, "AZ 3"),
        closed(case),
    ],
}


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
async def test_every_order_of_arrival_ends_in_the_same_state(
    world: World, story: Story, together: bool
) -> None:
    ends = []
    count = len(story(handover()))
    for order in permutations(range(count)):
        case = handover(claim("30.00"), partner_channel="API", run_id=new_id())
        events = [story(case)[place] for place in order]
        if together:
            await world.deliver(*events)
            await world.work()
        else:
            for event in events:
                await world.deliver(event)
                await world.work()
        ends.append(_state(await world.case(case)))
    assert ends == [ends[0]] * len(ends)
    assert await world.parked() == []
    assert await world.dead_letters() == 0
    assert await world.differences() == []


@pytest.mark.parametrize("answer", [accepted, rejected, run_accepted, run_rejected])
@pytest.mark.parametrize("channel", ["API", "BY_HAND"])
async def test_an_answer_after_the_reversal_changes_nothing(
    world: World, answer: Callable[[MemberHandedOverV1], Event], channel: str
) -> None:
    case = await world.open(partner_channel=channel)
    await world.deliver(reversal(case))
    await world.work()
    before = await world.case(case)

    await world.deliver(answer(case))
    await world.work()

    assert before["close_reason"] == "RUN_REVERSED"
    assert await world.case(case) == before


async def test_a_payment_before_a_reversed_handover_is_kept(world: World) -> None:
    """R29: parked for the answer, which the reversal replaces."""
    case = handover(claim("30.00"), partner_channel="API")
    await world.deliver(paid(case, "10.00"), case)
    assert await world.parked() == [f"answer:{case.case_id}"]

    await world.deliver(reversal(case))
    await world.work()

    shown = await world.case(case)
    assert (shown["status"], shown["unallocated"]["amount"]) == ("CLOSED", "10.00")


async def test_closing_twice_by_different_people_closes_once(world: World) -> None:
    case = await world.open()
    await world.ask("POST", f"/cases/{case.case_id}/closure", {"comment": "fertig"})

    await world.deliver(closed(case))

    assert len(await world.published(CaseClosedV1)) == 1
    assert len(await world.published(MemberDunningLevelResetV1)) == 1


def _state(shown: dict[str, Any]) -> dict[str, Any]:
    """Return what must not depend on the order of arrival."""
    kept = ("status", "reason_code", "close_reason", "result", "file_number", "open")
    return {name: shown[name] for name in (*kept, "unallocated", "handed_over")}
