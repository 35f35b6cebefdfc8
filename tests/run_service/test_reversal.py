"""Reversing a run: R10."""

import asyncio
from typing import Any

import pytest

from contracts import (
    MemberHandedOverV1,
    RunHandedOverV1,
    RunRejectedV1,
    RunReversalRequestedV1,
    RunReversedV1,
)
from kit.ids import new_id
from run_service.runs import publish_handovers as publishing
from tests.run_service.case_events import closed, opened, paid, reduced, rejected
from tests.run_service.world import World

ORDER = {"confirmed": True, "reason": "Wrong partner"}


async def reverse(world: World, run_id: str, **token: Any) -> Any:
    """Order a reversal; return the response."""
    return await world.post(f"/runs/{run_id}/reversal", ORDER, **token)


async def test_the_outlook_tells_what_a_reversal_does_and_how_far_it_is_r10(world: World) -> None:
    partner_id, studio_id = await world.partner("API"), await world.studio()
    await world.debtors(5, studio_id)
    run = await world.run(partner_id)
    path = f"/runs/{run['run_id']}/reversal"
    first, second, third, fourth, fifth = await world.handed_over()
    payment_id = new_id()
    await world.feed(
        *(opened(each) for each in (first, third, fourth)),
        rejected(second),
        paid(first, "5.00"),
        paid(third, "12.00", payment_id),
        reduced(third, payment_id, "2.00"),
        closed(first),
    )
    await world.settle_all()
    outlook = await world.get(path)
    assert (outlook["status"], outlook["members"]) == ("IN_PROGRESS", 5)
    cases = ("cases_not_ended", "cases_ended", "cases_rejected")
    assert [outlook[name] for name in cases] == [3, 1, 1]
    assert outlook["open"] == [{"amount": "80.00", "currency": "EUR"}]
    assert outlook["collected"] == [{"amount": "15.00", "currency": "EUR"}]
    order = ("reversal_requested_at", "reversal_requested_by", "reversal_reason", "reversed_at")
    assert [outlook[name] for name in order] == [None] * 4
    assert "rechtlich verpflichtet" in outlook["legal_duty"]["de"]
    assert "legally obliged" in outlook["legal_duty"]["en"]

    await reverse(world, run["run_id"])
    await world.feed(closed(third, "RUN_REVERSED"))
    await world.settle_all()
    outlook = await world.get(path)
    assert [outlook[name] for name in cases] == [2, 2, 1]
    assert outlook["open"] == [{"amount": "60.00", "currency": "EUR"}]
    assert outlook["reversal_requested_at"] is not None
    assert [outlook[name] for name in order[1:]] == ["staff-1", "Wrong partner", None]

    await world.feed(*(closed(each, "RUN_REVERSED") for each in (fourth, fifth)))
    await world.settle_all()
    outlook = await world.get(path)
    assert [outlook[name] for name in cases] == [0, 4, 1]
    assert (outlook["status"], outlook["open"]) == ("CANCELLED", [])
    assert outlook["collected"] == [{"amount": "15.00", "currency": "EUR"}]
    assert outlook["reversed_at"] is not None
    # What was collected for the same claims by a later run is not this run's.
    await world.run(partner_id)
    *_, again = await world.handed_over()
    await world.feed(opened(again), paid(again, "1.00"))
    assert (await world.get(path))["collected"] == [{"amount": "15.00", "currency": "EUR"}]


async def test_a_run_of_a_silent_partner_can_be_reversed_r10(world: World) -> None:
    partner_id = await world.partner("API")
    await world.debtors(2, await world.studio())
    run = await world.run(partner_id)
    handovers = await world.handed_over()
    assert (await world.get(f"/runs/{run['run_id']}"))["silent_since"] is not None
    assert (await reverse(world, run["run_id"])).status_code == 202
    await world.feed(*(closed(each, "RUN_REVERSED") for each in handovers))
    await world.settle_all()
    seen = await world.get(f"/runs/{run['run_id']}")
    assert (seen["status"], seen["accepted"], seen["ended"]) == ("CANCELLED", 0, 2)
    assert (seen["silent_since"], seen["reversal_reason"]) == (None, "Wrong partner")
    assert (await world.get("/candidates/summary"))["members"] == 2


async def test_a_run_is_cancelled_when_each_case_has_ended_r10(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    await world.debtors(3, studio_id)
    run = await world.run(partner_id)
    first, second, third = await world.handed_over()
    await world.feed(opened(first), opened(second), opened(third), closed(first))
    await world.settle_all()
    ordered = await reverse(world, run["run_id"])
    assert ordered.status_code == 202
    assert ordered.json()["status"] == "HANDED_OVER"
    assert ordered.json()["reversal_requested_at"] is not None
    (requested,) = await world.published(RunReversalRequestedV1)
    assert (requested.reason, requested.requested_by) == ("Wrong partner", "staff-1")

    await world.feed(closed(second, "RUN_REVERSED"))
    await world.settle_all()
    assert (await world.get(f"/runs/{run['run_id']}"))["status"] == "HANDED_OVER"
    await world.feed(closed(third, "RUN_REVERSED"))
    await world.settle_all()
    assert (await world.get(f"/runs/{run['run_id']}"))["status"] == "CANCELLED"
    (event,) = await world.published(RunReversedV1)
    assert event.reversed_count == 2
    assert (await world.get("/candidates/summary"))["members"] == 3


async def test_repeated_orders_are_one_r10(world: World) -> None:
    partner_id = await world.partner()
    await world.debtors(1, await world.studio())
    run = await world.run(partner_id)
    (handover,) = await world.handed_over()
    await world.feed(opened(handover))
    await world.settle_all()
    first = await reverse(world, run["run_id"], key="order-1")
    again = await reverse(world, run["run_id"], key="order-1")
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await reverse(world, run["run_id"], subject="staff-2")
    assert (other.status_code, other.json()) == (202, first.json())

    await world.feed(closed(handover, "RUN_REVERSED"))
    await world.settle_all()
    after = await reverse(world, run["run_id"], subject="staff-2")
    assert (after.status_code, after.json()["status"]) == (202, "CANCELLED")
    assert after.json() == await world.get(f"/runs/{run['run_id']}")
    assert after.json()["reversal_requested_by"] == "staff-1"
    assert len(await world.published(RunReversalRequestedV1)) == 1
    assert len(await world.published(RunReversedV1)) == 1


async def test_orders_at_once_are_one_r10(world: World) -> None:
    partner_id = await world.partner()
    await world.debtors(1, await world.studio())
    run = await world.run(partner_id)
    answers = await asyncio.gather(*(reverse(world, run["run_id"]) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert len(await world.published(RunReversalRequestedV1)) == 1


async def test_a_run_that_is_still_being_published_ends_right_r10(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "BATCH", 2)
    partner_id = await world.partner("API")
    await world.debtors(4, await world.studio())
    run = await world.run(partner_id)
    await publishing.publish_handovers(world.context)
    path = f"/runs/{run['run_id']}/reversal"
    early = await world.published(MemberHandedOverV1)
    await world.feed(opened(early[0]), paid(early[0], "10.00"))
    outlook = await world.get(path)
    assert (outlook["members"], outlook["cases_not_ended"]) == (4, 4)
    assert outlook["open"] == [{"amount": "110.00", "currency": "EUR"}]
    assert outlook["collected"] == [{"amount": "10.00", "currency": "EUR"}]
    await reverse(world, run["run_id"])
    await world.feed(*(closed(each, "RUN_REVERSED") for each in early[:1]))
    await world.settle_all()
    assert (await world.get(path))["cases_not_ended"] == 3
    handovers = await world.handed_over()
    assert len(handovers) == 4
    await world.feed(rejected(handovers[1]))
    await world.feed(*(closed(each, "RUN_REVERSED") for each in handovers[2:]))
    await world.settle_all()
    seen = await world.get(f"/runs/{run['run_id']}")
    assert (seen["status"], seen["answered"], seen["ended"]) == ("CANCELLED", 4, 3)
    (event,) = await world.published(RunReversedV1)
    assert event.reversed_count == 3
    assert await world.published(RunHandedOverV1) == []


async def test_a_run_whose_cases_have_all_ended_is_cancelled_at_once_r10(world: World) -> None:
    partner_id = await world.partner()
    await world.debtors(1, await world.studio())
    run = await world.run(partner_id)
    (handover,) = await world.handed_over()
    await world.feed(opened(handover), closed(handover))
    assert (await reverse(world, run["run_id"])).json()["status"] == "CANCELLED"
    (event,) = await world.published(RunReversedV1)
    assert event.reversed_count == 0


async def test_a_rejected_run_cannot_be_reversed_r10(world: World) -> None:
    partner_id = await world.partner()
    await world.debtors(1, await world.studio())
    run = await world.run(partner_id)
    (handover,) = await world.handed_over()
    await world.feed(rejected(handover))
    await world.settle_all()
    assert len(await world.published(RunRejectedV1)) == 1
    refused = await reverse(world, run["run_id"])
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:collection:problem:run-not-reversible"
    assert await world.published(RunReversalRequestedV1) == []


async def test_a_reversal_must_be_confirmed_and_have_a_reason_r10(world: World) -> None:
    partner_id = await world.partner()
    await world.debtors(1, await world.studio())
    run = await world.run(partner_id)
    for order, field in (
        ({**ORDER, "confirmed": False}, "confirmed"),
        ({"reason": "Wrong"}, "confirmed"),
        ({"confirmed": True}, "reason"),
        ({**ORDER, "confirmed": 1}, "confirmed"),
        ({**ORDER, "reason": ""}, "reason"),
        ({**ORDER, "reason": " "}, "reason"),
        ({**ORDER, "reason": "\x00"}, "reason"),
        ({**ORDER, "reason": "x" * 501}, "reason"),
        ({**ORDER, "because": "x"}, "because"),
    ):
        refused = await world.post(f"/runs/{run['run_id']}/reversal", order)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == field


async def test_only_who_sees_the_whole_run_can_reverse_it_r63(world: World) -> None:
    partner_id = await world.partner()
    north, south = await world.studio("North"), await world.studio("South")
    for studio_id in (north, south):
        await world.debtors(1, studio_id)
    run = await world.run(partner_id)
    assert (await reverse(world, run["run_id"], studio_ids=[north])).status_code == 403
    assert (await reverse(world, run["run_id"], studio_ids=[new_id()])).status_code == 404
    assert (await reverse(world, run["run_id"], tenant_id=new_id())).status_code == 404
    assert (await reverse(world, run["run_id"], studio_ids=[north, south])).status_code == 202
