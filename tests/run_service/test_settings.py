"""What a tenant wants of its runs: R1."""

from typing import Any

import pytest

from kit.ids import new_id
from run_service.candidates import selection
from tests.run_service.world import World

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
        ("disputed_claims_hold_member", "perhaps"),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", ""),
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
    today = selection.clock.today
    monkeypatch.setattr(selection.clock, "today", lambda zone: asked.append(zone) or today(zone))
    await world.get("/candidates/summary")
    await world.get("/candidates/summary", tenant_id=new_id())
    assert asked == ["Pacific/Kiritimati", "Europe/Berlin"]
