"""What a tenant wants of its cases: who may change it, and what it changes (R22, R25)."""

import asyncio
from datetime import date
from typing import Any

import pytest

from contracts import CasePaymentBookedV1
from kit.ids import new_id
from tests.case_service.world import World, claim, corrected, open_amounts, paid

AS_GIVEN = {"residual_on_closing": "STAYS_OPEN", "allocation_order": "OLDEST_FIRST"}
CHANGED = {"residual_on_closing": "WRITTEN_OFF", "allocation_order": "COSTS_FIRST"}


async def test_a_tenant_that_said_nothing_keeps_what_is_open_and_pays_the_oldest_first(
    world: World,
) -> None:
    answer = await world.ask("GET", "/settings", roles=["collection:read"])
    assert (answer.json(), answer.headers["ETag"]) == (AS_GIVEN, '"0"')


async def test_settings_are_changed_as_a_whole_and_counted(world: World) -> None:
    changed = await world.ask("PUT", "/settings", CHANGED, roles=["collection:manage"])
    assert (changed.status_code, changed.json()) == (200, CHANGED)
    shown = await world.ask("GET", "/settings")
    assert (shown.json(), shown.headers["ETag"]) == (CHANGED, changed.headers["ETag"])

    back = await world.ask("PUT", "/settings", {})
    assert back.json() == AS_GIVEN
    assert back.headers["ETag"] != changed.headers["ETag"]


@pytest.mark.parametrize(
    ("method", "role"),
    [
        ("GET", "collection:finance"),
        ("GET", "partner:admin"),
        ("PUT", "collection:read"),
        ("PUT", "collection:finance"),
    ],
)
async def test_other_roles_may_not(world: World, method: str, role: str) -> None:
    """R63."""
    body = CHANGED if method == "PUT" else None
    answer = await world.ask(method, "/settings", body, roles=[role])
    assert answer.status_code == 403
    assert (await world.ask("GET", "/settings")).json() == AS_GIVEN


async def test_who_sees_some_studios_only_may_not_change_what_counts_for_all(
    world: World,
) -> None:
    """R63."""
    answer = await world.ask("PUT", "/settings", CHANGED, studio_ids=[new_id()])
    assert answer.status_code == 403
    assert answer.json()["type"].endswith(":all-studios-needed")
    assert (await world.ask("GET", "/settings")).json() == AS_GIVEN


async def test_settings_are_each_tenants_own(world: World) -> None:
    """R63."""
    await world.ask("PUT", "/settings", CHANGED)
    answer = await world.ask("GET", "/settings", tenant_id=new_id())
    assert answer.json() == AS_GIVEN


async def test_a_stale_version_changes_nothing(world: World) -> None:
    seen = (await world.ask("GET", "/settings")).headers["ETag"]
    await world.ask("PUT", "/settings", CHANGED, If_Match=seen)

    stale = await world.ask("PUT", "/settings", AS_GIVEN, If_Match=seen)

    assert stale.status_code == 412
    shown = await world.ask("GET", "/settings")
    assert (shown.json(), shown.headers["ETag"]) == (CHANGED, stale.headers["ETag"])


async def test_of_two_changes_at_once_one_is_stale(world: World) -> None:
    answers = await asyncio.gather(
        *(world.ask("PUT", "/settings", CHANGED, If_Match='"0"') for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"residual_on_closing": "FORGOTTEN"}, "residual_on_closing"),
        ({"residual_on_closing": None}, "residual_on_closing"),
        ({"allocation_order": "NEWEST_FIRST"}, "allocation_order"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_setting_is_named(world: World, body: dict[str, Any], field: str) -> None:
    answer = await world.ask("PUT", "/settings", body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await world.ask("GET", "/settings")).json() == AS_GIVEN


@pytest.mark.parametrize(
    ("order", "left"),
    [("OLDEST_FIRST", ["0.00", "5.00", "10.00"]), ("COSTS_FIRST", ["10.00", "5.00", "0.00"])],
)
async def test_payments_go_in_the_tenants_order_whoever_books_them(
    world: World, order: str, left: list[str]
) -> None:
    """R22: the claims are principal, interest and costs, the oldest first."""
    await world.ask("PUT", "/settings", {"allocation_order": order})
    case, other = [
        await world.open(
            claim("10.00", date(2026, 1, 1)),
            claim("10.00", date(2026, 1, 2), kind="INTEREST"),
            claim("10.00", date(2026, 1, 3), kind="DUNNING_FEE"),
        )
        for _ in range(2)
    ]

    await world.pay(case, "15.00")
    await world.deliver(paid(other, "12.00"), corrected(other, "15.00"))

    assert open_amounts(await world.case(case)) == left
    assert open_amounts(await world.case(other)) == left
    events = await world.published(CasePaymentBookedV1)
    assert {event.allocation for event in events} == {"AUTOMATIC"}
    assert await world.differences() == []


async def test_a_change_counts_from_then_on(world: World) -> None:
    case = await world.open(
        claim("10.00", date(2026, 1, 1)), claim("10.00", date(2026, 1, 3), kind="COSTS")
    )
    await world.pay(case, "4.00")
    await world.ask("PUT", "/settings", {"allocation_order": "COSTS_FIRST"})
    await world.pay(case, "3.00")
    assert open_amounts(await world.case(case)) == ["6.00", "7.00"]
