"""What a tenant wants of its runs: R1."""

import asyncio
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from kit import clock
from kit.ids import new_id
from kit.subscriptions import Batch
from run_service import subscribers
from tests.run_service.world import World, claim, member

CHOSEN = {
    "minimum_amounts": [
        {"amount": "5.00", "currency": "CHF"},
        {"amount": "10.00", "currency": "EUR"},
    ],
    "excluded_kinds": ["FLAT_FEE", "SALE"],
    "disputed_claims_hold_member": True,
    "time_zone": "America/New_York",
}


async def test_a_tenant_that_said_nothing_has_the_defaults(world: World) -> None:
    assert await world.get("/settings") == {
        "minimum_amounts": [],
        "excluded_kinds": [],
        "disputed_claims_hold_member": False,
        "time_zone": "Europe/Berlin",
    }


async def test_what_was_chosen_is_kept_for_this_tenant_alone_r63(world: World) -> None:
    async with world.client() as client:
        assert (await client.put("/settings", json=CHOSEN)).json() == CHOSEN
    assert await world.get("/settings") == CHOSEN
    assert (await world.get("/settings", tenant_id=new_id()))["excluded_kinds"] == []


async def test_a_change_of_what_somebody_else_has_changed_is_refused(world: World) -> None:
    async with world.client() as client:
        looked_at = (await client.get("/settings")).headers["ETag"]
        first = await client.put("/settings", json={}, headers={"If-Match": looked_at})
        second = await client.put("/settings", json=CHOSEN, headers={"If-Match": looked_at})
        assert (first.status_code, second.status_code) == (200, 412)
        third = await client.put(
            "/settings", json=CHOSEN, headers={"If-Match": first.headers["ETag"]}
        )
        assert third.status_code == 200


async def test_settings_change_while_members_and_claims_come_in(world: World) -> None:
    studio_id = await world.studio()
    (debtor,) = await world.debtors(1, studio_id)
    newer = member(debtor.member_id, studio_id, 2)
    sale, newer_sale = [
        claim(debtor.claim_ids[0], debtor.member_id, studio_id, sequence, kind="SALE")
        for sequence in (2, 3)
    ]
    await world.feed(sale)
    waiting = """
        SELECT count(*) FROM pg_locks
        WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
    """
    async with world.client() as client, asyncio.timeout(20):
        async with world.context.database.begin() as batch:
            members: Any = Batch(batch, [world.message(newer)], world.context)
            await subscribers.keep_members(members)
            change = asyncio.create_task(client.put("/settings", json=CHOSEN))
            while not await batch.scalar(text(waiting)):
                await asyncio.sleep(0.01)
            claims: Any = Batch(batch, [world.message(newer_sale)], world.context)
            await subscribers.keep_claims(claims)
        assert (await change).status_code == 200
    assert (await world.get("/candidates/summary"))["members"] == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("minimum_amounts", 5),
        ("minimum_amounts.0.amount", [{"amount": "ten", "currency": "EUR"}]),
        ("minimum_amounts.0.currency", [{"amount": "1.00", "currency": "euro"}]),
        ("minimum_amounts.0.amount", [{"amount": "-1.00", "currency": "EUR"}]),
        ("minimum_amounts", [{"amount": "1.00", "currency": "EUR"}] * 2),
        ("excluded_kinds", "SALE"),
        ("excluded_kinds.0", ["sale"]),
        ("excluded_kinds", ["SALE"] * 51),
        ("disputed_claims_hold_member", "yes"),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", ""),
        ("time_zone", "localtime"),
        ("colour", "red"),
    ],
)
async def test_what_is_wrong_is_named(world: World, field: str, value: Any) -> None:
    async with world.client() as client:
        response = await client.put("/settings", json={field.split(".")[0]: value})
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_staff_of_some_studios_read_the_settings_and_do_not_change_them_r63(
    world: World,
) -> None:
    async with world.client(studio_ids=[new_id()]) as client:
        assert (await client.get("/settings")).status_code == 200
        assert (await client.put("/settings", json={})).status_code == 403
    async with world.client("collection:read") as client:
        assert (await client.put("/settings", json={})).status_code == 403


async def test_days_are_those_of_the_tenants_time_zone_r3(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.client() as client:
        await client.put("/settings", json={"time_zone": "Pacific/Kiritimati"})
    asked = []
    today = clock.today

    def asked_today(time_zone: str) -> date:
        asked.append(time_zone)
        return today(time_zone)

    monkeypatch.setattr(clock, "today", asked_today)
    await world.get("/candidates/summary")
    await world.get("/candidates/summary", tenant_id=new_id())
    assert asked == ["Pacific/Kiritimati", "Europe/Berlin"]
