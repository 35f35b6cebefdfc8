"""A process that counts answers or reverses a run is killed; what it began ends right: R8, R10."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from contracts import RunHandedOverV1, RunReversalRequestedV1, RunReversedV1
from tests.run_service.case_events import closed, opened, rejected
from tests.run_service.killed_process import kill_while_hanging
from tests.run_service.world import World

CREATE = """
from kit.auth import Principal
from kit.trace import Cause
from run_service.runs.create_run import create_run
from run_service.runs.resources import RunOrder

async def work(world):
    principal = Principal("staff-1", world.tenant_id, frozenset(), None)
    order = RunOrder(preview_id=UUID("{preview_id}"))
    async with world.context.database.begin() as connection:
        cause = Cause(world.tenant_id, "lost", None)
        await create_run(connection, principal, order, "Europe/Berlin", cause)
        await hang()
"""
"""Makes a run, and hangs before it is committed."""

RECORD = """
from contracts import MemberHandedOverV1
from run_service.runs import tallies
from tests.run_service.case_events import opened

async def work(world):
    handovers = await world.published(MemberHandedOverV1)
    await world.feed(*(opened(each) for each in handovers[:10]))
    record = tallies.record
    async def record_and_hang(*arguments):
        await record(*arguments)
        await hang()
    tallies.record = record_and_hang
    await world.feed(*(opened(each) for each in handovers[10:20]))
"""
"""Records some answers, and hangs with the next ones recorded but not committed."""

SETTLE = """
from contracts import MemberHandedOverV1
from run_service.runs import tallies
from tests.run_service.case_events import opened

async def work(world):
    handovers = await world.published(MemberHandedOverV1)
    await world.feed(*(opened(each) for each in handovers[:10]))
    await world.settle_all()
    await world.feed(*(opened(each) for each in handovers[10:20]))
    add_up = tallies.add_up
    async def add_up_and_hang(*arguments):
        await add_up(*arguments)
        await hang()
    tallies.add_up = add_up_and_hang
    await world.settle_all()
"""
"""Hangs with answers added up but not committed."""

ORDER_REVERSAL = """
from kit.auth import Principal
from kit.trace import Cause
from run_service.runs.request_reversal import request_reversal
from run_service.runs.resources import ReversalOrder

async def work(world):
    principal = Principal("staff-0", world.tenant_id, frozenset(), None)
    order = ReversalOrder(confirmed=True, reason="Lost")
    async with world.context.database.begin() as connection:
        cause = Cause(world.tenant_id, "lost", None)
        await request_reversal(connection, principal, UUID("{run_id}"), order, cause)
        await hang()
"""
"""Orders a reversal, and hangs before the order is committed."""

END_REVERSAL = """
from contracts import MemberHandedOverV1
from run_service.runs import settle_runs as settling
from tests.run_service.case_events import closed

async def work(world):
    handovers = await world.published(MemberHandedOverV1)
    await world.feed(*(closed(each, "RUN_REVERSED") for each in handovers))
    publish = settling.outbox.publish
    async def publish_and_hang(*arguments):
        await publish(*arguments)
        await hang()
    settling.outbox.publish = publish_and_hang
    await world.settle_all()
"""
"""Hangs with the run CANCELLED and that published, but not committed."""


async def until(world: World, run_id: str, status: str, work: Callable[[], Awaitable[Any]]) -> Any:
    """Repeat `work` until the run has a status: the locks of the dead process go after it."""
    async with asyncio.timeout(60):
        while (seen := await world.get(f"/runs/{run_id}"))["status"] != status:
            await work()
    return seen


@pytest.mark.parametrize(("work", "recorded"), [(RECORD, 10), (SETTLE, 20)])
async def test_counting_goes_on_after_the_process_was_killed_r8(
    world: World, work: str, recorded: int
) -> None:
    partner_id = await world.partner("API")
    await world.debtors(40, await world.studio())
    run_id = (await world.run(partner_id))["run_id"]
    handovers = await world.handed_over()
    await kill_while_hanging(world, work)
    taken = (await world.get(f"/runs/{run_id}/members?case_status=OPEN"))["items"]
    assert len(taken) == recorded

    # What was not committed comes again, with what came before it.
    await world.feed(*(opened(each) for each in handovers[:30]))
    await world.feed(*(rejected(each) for each in handovers[30:]))
    seen = await until(world, run_id, "HANDED_OVER", world.settle_all)
    assert (seen["answered"], seen["accepted"], seen["rejected"]) == (40, 30, 10)
    assert len(await world.published(RunHandedOverV1)) == 1


async def test_reversing_goes_on_after_the_process_was_killed_r10(world: World) -> None:
    partner_id = await world.partner()
    await world.debtors(10, await world.studio())
    run_id = (await world.run(partner_id))["run_id"]
    handovers = await world.handed_over()
    await world.feed(*(opened(each) for each in handovers))
    await world.settle_all()

    await kill_while_hanging(world, ORDER_REVERSAL.replace("{run_id}", run_id))
    assert (await world.get(f"/runs/{run_id}/reversal"))["reversal_requested_at"] is None
    assert await world.published(RunReversalRequestedV1) == []
    order = {"confirmed": True, "reason": "Wrong partner"}
    assert (await world.post(f"/runs/{run_id}/reversal", order)).status_code == 202

    await kill_while_hanging(world, END_REVERSAL)
    outlook = await world.get(f"/runs/{run_id}/reversal")
    assert (outlook["status"], outlook["cases_ended"]) == ("HANDED_OVER", 0)
    assert await world.published(RunReversedV1) == []
    await world.feed(*(closed(each, "RUN_REVERSED") for each in handovers))
    seen = await until(world, run_id, "CANCELLED", world.settle_all)
    assert (seen["ended"], seen["reversal_requested_by"]) == (10, "staff-1")
    (requested,) = await world.published(RunReversalRequestedV1)
    (reversed_,) = await world.published(RunReversedV1)
    assert (requested.reason, reversed_.reversed_count) == ("Wrong partner", 10)
    assert (await world.get("/candidates/summary"))["members"] == 10


async def test_a_run_whose_making_was_killed_is_made_of_the_same_preview_r4(world: World) -> None:
    await world.debtors(3, await world.studio())
    preview_id = (await world.preview(await world.partner()))["preview_id"]
    await kill_while_hanging(world, CREATE.replace("{preview_id}", preview_id))
    assert (await world.get("/runs"))["items"] == []
    assert (await world.get("/candidates/summary"))["members"] == 3
    response = await world.post("/runs", {"preview_id": preview_id})
    assert response.status_code == 201
    assert response.json()["booking_number"].endswith("-000001")
    assert len(await world.handed_over()) == 3
