"""What became of a run's members: R8, R11."""

import asyncio

import pytest
from sqlalchemy import text

from contracts import RunHandedOverV1, RunRejectedV1
from kit.ids import new_id
from kit.inbox import Inbox
from run_service.main import service
from run_service.runs.settle_runs import settle_runs
from tests.run_service.case_events import (
    cancelled,
    changed,
    closed,
    opened,
    paid,
    reallocated,
    reduced,
    rejected,
    settled,
    written_off,
)
from tests.run_service.world import World, claim, euros


async def members_of(world: World, run_id: str) -> dict[str, tuple[str, str | None]]:
    """Return the status of its case and the reason for each member of a run."""
    items = (await world.get(f"/runs/{run_id}/members"))["items"]
    return {each["member_id"]: (each["case_status"], each["reason_code"]) for each in items}


async def test_a_run_is_handed_over_once_each_member_has_an_answer_r8(world: World) -> None:
    partner_id, studio_id = await world.partner("API"), await world.studio()
    await world.debtors(3, studio_id)
    run = await world.run(partner_id)
    first, second, third = await world.handed_over()
    await world.feed(opened(first), rejected(second))
    await world.settle_all()
    seen = await world.get(f"/runs/{run['run_id']}")
    assert (seen["status"], seen["answered"]) == ("IN_PROGRESS", 2)
    assert await world.published(RunHandedOverV1) == []

    await world.feed(opened(third))
    await world.settle_all()
    seen = await world.get(f"/runs/{run['run_id']}")
    assert seen["status"] == "HANDED_OVER"
    assert (seen["answered"], seen["accepted"], seen["rejected"]) == (3, 2, 1)
    assert seen["rejection_reasons"] == [{"reason_code": "DEBTOR_UNKNOWN", "members": 1}]
    assert seen["handed_over_at"] is not None
    (event,) = await world.published(RunHandedOverV1)
    assert (event.accepted_count, event.rejected_count) == (2, 1)
    assert await members_of(world, run["run_id"]) == {
        str(first.member_id): ("OPEN", None),
        str(second.member_id): ("REJECTED", "DEBTOR_UNKNOWN"),
        str(third.member_id): ("OPEN", None),
    }
    (part,) = (await world.get(f"/runs/{run['run_id']}/studios"))["items"]
    assert (part["answered"], part["accepted"], part["rejected"]) == (3, 2, 1)


async def test_a_run_is_rejected_when_the_partner_takes_nobody_r8(world: World) -> None:
    partner_id, studio_id = await world.partner("API"), await world.studio()
    await world.debtors(2, studio_id)
    run = await world.run(partner_id)
    await world.feed(*(rejected(each, "NO_CONTRACT") for each in await world.handed_over()))
    await world.settle_all()
    seen = await world.get(f"/runs/{run['run_id']}")
    assert seen["status"] == "REJECTED"
    assert seen["rejection_reasons"] == [{"reason_code": "NO_CONTRACT", "members": 2}]
    (event,) = await world.published(RunRejectedV1)
    assert event.rejected_count == 2
    assert (await world.get("/candidates/summary"))["members"] == 2


@pytest.mark.parametrize("end", [rejected, closed, cancelled])
async def test_claims_are_free_again_when_the_case_ends_r11(world: World, end: object) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    await world.debtors(1, studio_id)
    await world.run(partner_id)
    (handover,) = await world.handed_over()
    assert (await world.get("/candidates/summary"))["members"] == 0
    await world.feed(end(handover))  # type: ignore[operator]
    assert (await world.get("/candidates/summary"))["members"] == 1
    again = await world.run(partner_id)
    assert again["members"] == 1


async def test_repeated_answers_count_once_r8(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    await world.debtors(2, studio_id)
    run = await world.run(partner_id)
    first, second = await world.handed_over()
    await world.feed(opened(first), opened(first))
    await world.feed(opened(first))
    await world.feed(rejected(second), closed(first), opened(first), closed(first))
    await world.settle_all()
    seen = await world.get(f"/runs/{run['run_id']}")
    assert (seen["accepted"], seen["rejected"], seen["ended"]) == (1, 1, 1)
    assert seen["status"] == "HANDED_OVER"


async def test_a_late_repetition_does_not_free_the_claims_of_the_next_run_r11(
    world: World,
) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    await world.debtors(1, studio_id)
    await world.run(partner_id)
    (first,) = await world.handed_over()
    await world.feed(opened(first), closed(first))
    await world.run(partner_id)
    await world.feed(closed(first), cancelled(first), rejected(first))
    assert (await world.get("/candidates/summary"))["members"] == 0


async def test_parallel_batches_and_settlers_count_each_member_once_r8(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    runs = []
    for _ in range(2):
        await world.debtors(60, studio_id)
        runs.append((await world.run(partner_id))["run_id"])
    handovers = await world.handed_over()
    batches = [handovers[start::6] for start in range(6)]
    batches += [batch[::-1] for batch in batches]  # each answer twice, in other orders
    answering = [
        world.feed(*(opened(each) if each.booking_number % 3 else rejected(each) for each in batch))
        for batch in batches
    ]
    await asyncio.gather(*answering, *(world.settle_all() for _ in range(4)))
    await world.settle_all()
    for run_id in runs:
        seen = await world.get(f"/runs/{run_id}")
        assert (seen["accepted"], seen["rejected"]) == (40, 20)
        assert seen["status"] == "HANDED_OVER"
    events = await world.published(RunHandedOverV1)
    assert sorted(str(each.run_id) for each in events) == sorted(runs)


async def test_an_answer_on_an_unknown_run_waits_for_it_r12(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    await world.debtors(1, studio_id)
    await world.run(partner_id)
    (handover,) = await world.handed_over()
    assert await world.feed(opened(handover)) == []
    stranger = handover.model_copy(update={"case_id": new_id()})
    waits_for = f"run:{handover.run_id}"
    assert await world.feed(opened(stranger)) == [waits_for]
    assert await world.feed(opened(handover), tenant_id=new_id()) == [waits_for]


async def test_what_changes_nothing_here_is_passed_over(world: World) -> None:
    """Of the topic of cases only some types are read; the others are no dead letters."""
    await world.debtors(1, await world.studio())
    await world.run(await world.partner())
    (handover,) = await world.handed_over()
    inbox = Inbox("run-service", service.subscriptions, world.context)
    await inbox.handle([world.record(each) for each in (settled(handover), changed(handover))])
    async with world.context.database.connect() as connection:
        letters = await connection.scalar(
            text("SELECT count(*) FROM outbox WHERE type = 'dead-letter'")
        )
    assert letters == 0


async def test_nothing_is_settled_without_answers(world: World) -> None:
    assert not await settle_runs(world.context)


async def test_what_was_paid_is_never_handed_over_again_r11(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    await world.debtors(1, studio_id)
    run = await world.run(partner_id)
    (handover,) = await world.handed_over()
    payment_id = new_id()
    payment = paid(handover, "12.00", payment_id)
    await world.feed(opened(handover), payment)
    await world.feed(payment)
    (member,) = (await world.get(f"/runs/{run['run_id']}/members"))["items"]
    assert member["open"] == {"amount": "18.00", "currency": "EUR"}
    back = reduced(handover, payment_id, "2.00")
    await world.feed(back, back)
    await world.feed(back, closed(handover))
    assert (await world.get("/candidates/summary"))["totals"] == [
        {"amount": "20.00", "currency": "EUR"}
    ]
    await world.feed(paid(handover, "20.00"))
    assert (await world.get("/candidates/summary"))["members"] == 0


async def test_what_was_given_up_is_never_handed_over_again_r25(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    (debtor,) = await world.debtors(1, studio_id, "30.00", "7.00")
    run = await world.run(partner_id)
    (handover,) = await world.handed_over()
    first, second = (each.claim_id for each in handover.claims)
    end = written_off(handover, "20.00")
    await world.feed(opened(handover), paid(handover, "4.00"), end, end)
    await world.feed(end)
    assert (await world.get("/candidates/summary"))["totals"] == [
        {"amount": "13.00", "currency": "EUR"}
    ]
    # It is not open any more, and was not collected either.
    member = await world.get(f"/runs/{run['run_id']}/members/{debtor.member_id}")
    assert {each["claim_id"]: each["open"]["amount"] for each in member["claims"]} == {
        str(first): "6.00",
        str(second): "7.00",
    }
    assert [each["collected"]["amount"] for each in member["claims"]] == ["4.00", "0.00"]
    outlook = await world.get(f"/runs/{run['run_id']}/reversal")
    assert outlook["collected"] == [{"amount": "4.00", "currency": "EUR"}]
    # A correction of the claim may leave less than was given up: nothing is open then.
    known = claim(first, debtor.member_id, studio_id, 2, amount=euros("10.00"))
    await world.feed(known)
    assert (await world.get("/candidates/summary"))["totals"] == [
        {"amount": "7.00", "currency": "EUR"}
    ]


async def test_what_was_given_up_counts_once_though_its_run_comes_later_r25(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    await world.debtors(1, studio_id)
    await world.run(partner_id)
    (handover,) = await world.handed_over()
    stranger = handover.model_copy(update={"case_id": new_id()})
    early = written_off(stranger, "20.00")
    assert await world.feed(early) == [f"run:{handover.run_id}"]
    assert await world.feed(early) == [f"run:{handover.run_id}"]
    await world.feed(closed(handover))
    assert (await world.get("/candidates/summary"))["totals"] == [
        {"amount": "10.00", "currency": "EUR"}
    ]


async def test_money_that_moves_between_claims_counts_where_it_is_r28_r29(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    (debtor,) = await world.debtors(1, studio_id, "30.00", "7.00", "5.00")
    run = await world.run(partner_id)
    (handover,) = await world.handed_over()
    first, second, third = (each.claim_id for each in handover.claims)
    move = reallocated(
        handover, taken={first: "8.00", third: "1.00"}, given={second: "6.50", third: "2.50"}
    )
    await world.feed(opened(handover), paid(handover, "12.00"), move, move)
    await world.feed(move)
    member = await world.get(f"/runs/{run['run_id']}/members/{debtor.member_id}")
    assert {each["claim_id"]: each["collected"]["amount"] for each in member["claims"]} == {
        str(first): "4.00",
        str(second): "6.50",
        str(third): "1.50",
    }
    await world.feed(closed(handover))
    assert (await world.get("/candidates/summary"))["totals"] == [
        {"amount": "30.00", "currency": "EUR"}
    ]
