"""Reversing a run: R10."""

import asyncio
from typing import Any

import pytest

from contracts import RunHandedOverV1, RunRejectedV1, RunReversalRequestedV1, RunReversedV1
from kit.ids import new_id
from run_service.runs import publish_handovers as publishing
from tests.run_service.case_events import closed, opened, rejected
from tests.run_service.world import World

ORDER = {"confirmed": True, "reason": "Wrong partner"}


async def reverse(world: World, run_id: str, **token: Any) -> Any:
    """Order a reversal; return the response."""
    return await world.post(f"/runs/{run_id}/reversal", ORDER, **token)


async def test_the_outlook_names_the_cases_and_the_legal_duty_r10(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    await world.debtors(3, studio_id)
    run = await world.run(partner_id)
    first, second, third = await world.handed_over()
    await world.feed(opened(first), closed(first), rejected(second), opened(third))
    await world.settle_all()
    outlook = await world.get(f"/runs/{run['run_id']}/reversal")
    assert outlook["cases_not_ended"] == 1
    assert "rechtlich verpflichtet" in outlook["legal_duty"]["de"]
    assert "legally obliged" in outlook["legal_duty"]["en"]


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
    await reverse(world, run["run_id"])
    handovers = await world.handed_over()
    assert len(handovers) == 4
    await world.feed(opened(handovers[0]), closed(handovers[0], "RUN_REVERSED"))
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
