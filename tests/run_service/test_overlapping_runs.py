"""Many hand over the same members at once: one gets each claim, and none is lost (R4, R5, R11)."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import MemberHandedOverV1, RunCreatedV1
from kit.ids import new_id
from kit.subscriptions import Batch
from run_service.candidates.recount import recount
from run_service.main import service
from run_service.runs import publish_handovers as publishing
from tests.run_service.case_events import closed, written_off
from tests.run_service.world import TODAY, Debtor, World, claim, euros, member

REQUESTS = 50


@dataclass
class Order:
    """A request that hands members over, and what became of it."""

    path: str
    body: dict[str, Any]
    members: set[str]
    """The members it would hand over."""
    response: Any = None

    async def send(self, world: World) -> None:
        """Order it, and keep the answer."""
        self.response = await world.post(self.path, self.body)

    @property
    def goes_on_without_changed(self) -> bool:
        """Whether it takes whom it can get."""
        return bool(self.body.get("leave_out_changed"))


async def set_up(world: World) -> list[Debtor]:
    """Return members of several studios with claims."""
    debtors = []
    for number in range(6):
        debtors += await world.debtors(5, await world.studio(f"Studio {number}"), "20.00", "1.01")
    return debtors


async def draw_orders(
    world: World, chance: random.Random, debtors: Sequence[Debtor]
) -> list[Order]:
    """Draw overlapping orders: previews of some studios without some members, single members."""
    partner_ids = [str(await world.partner(channel)) for channel in ("BY_HAND", "API", "BY_HAND")]
    orders = []
    async with world.client() as client:
        for number in range(REQUESTS):
            partner_id = chance.choice(partner_ids)
            if number % 3 == 0:
                member_id = str(chance.choice(debtors).member_id)
                alone = {"member_id": member_id, "partner_id": partner_id}
                orders.append(Order("/handovers", alone, {member_id}))
                continue
            studio_ids = sorted({str(each.studio_id) for each in chance.sample(debtors, 3)})
            preview = await world.post(
                "/previews", {"partner_id": partner_id, "studio_ids": studio_ids}
            )
            path = f"/previews/{preview.json()['preview_id']}/members"
            items = (await client.get(path)).json()["items"]
            shown = {each["member_id"] for each in items}
            left_out = chance.sample(sorted(shown), len(shown) // 3)
            if left_out:
                decided = await client.patch(path, json={"left_out": True, "member_ids": left_out})
                assert decided.status_code == 200
            body: dict[str, Any] = {
                "preview_id": preview.json()["preview_id"],
                "leave_out_changed": chance.random() < 0.4,
            }
            orders.append(Order("/runs", body, shown - set(left_out)))
    chance.shuffle(orders)
    return orders


async def check(world: World, debtors: Sequence[Debtor], orders: Sequence[Order]) -> None:
    """Each claim went once, each refusal has its reason, and who did not go still can."""
    ready = await world.get("/candidates/summary")
    handovers = await world.handed_over()
    claims = Counter(each.claim_id for handover in handovers for each in handover.claims)
    assert set(claims.values()) == {1}
    members = Counter(str(handover.member_id) for handover in handovers)
    assert set(members.values()) == {1}
    assert sum(claims.values()) == 2 * len(handovers)

    for order in orders:
        if order.response.status_code == 201:
            taken = {
                str(each.member_id)
                for each in handovers
                if str(each.run_id) == order.response.json()["run_id"]
            }
            assert len(taken) == order.response.json()["members"]
            assert taken == order.members or (
                order.goes_on_without_changed and taken < order.members
            )
        else:
            check_refusal(order, set(members))
    assert ready["members"] == len(debtors) - len(members)
    assert await world.get("/candidates/summary") == ready
    made = [order.members for order in orders if order.response.status_code == 201]
    assert set().union(*made) <= set(members)


def check_refusal(order: Order, gone: set[str]) -> None:
    """A loser is told whom it did not get, and that others have them."""
    problem = order.response.json()
    assert order.response.status_code == 409, order.response.text
    kind = problem["type"].removeprefix("urn:collection:problem:")
    if order.path == "/handovers":
        assert (kind, problem["reason"]) == ("member-not-handed-over", "IN_COLLECTION")
        assert order.members <= gone
    elif order.goes_on_without_changed or not order.members:
        assert kind == "nobody-to-hand-over"
        assert order.members <= gone
    else:
        assert kind == "claims-already-in-collection"
        assert {each["reason"] for each in problem["members"]} == {"IN_COLLECTION"}
        named = {each["member_id"] for each in problem["members"]}
        assert problem["members_total"] == len(named) > 0
        assert named <= order.members & gone


async def check_numbers(world: World) -> None:
    """Runs are numbered without gaps, and so are the members of each (R5)."""
    created = await world.published(RunCreatedV1)
    assert sorted(each.booking_number for each in created) == [
        f"{TODAY.year}-{number:06}" for number in range(1, len(created) + 1)
    ]
    sizes = {each.run_id: each.member_count for each in created}
    numbers: dict[UUID, list[int]] = {run_id: [] for run_id in sizes}
    for handover in await world.handed_over():
        numbers[handover.run_id].append(handover.booking_number)
    assert numbers == {run_id: list(range(1, size + 1)) for run_id, size in sizes.items()}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_of_many_orders_at_once_one_gets_each_claim(world: World, seed: int) -> None:
    """While workers publish what was ordered first."""
    debtors = await set_up(world)
    orders = await draw_orders(world, random.Random(seed), debtors)
    await asyncio.gather(
        *(order.send(world) for order in orders), *(world.publish_all() for _ in range(2))
    )
    await check(world, debtors, orders)
    await check_numbers(world)


@pytest.mark.parametrize("seed", [4, 5])
async def test_members_of_a_run_that_is_partly_published_are_nobody_elses(
    world: World, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Neither those that went out, nor those that wait for their batch."""
    monkeypatch.setattr(publishing, "BATCH", 2)
    debtors = await set_up(world)
    chance = random.Random(seed)
    orders = await draw_orders(world, chance, debtors)
    first = next(order for order in orders if order.path == "/runs" and len(order.members) > 4)
    await first.send(world)
    await publishing.publish_handovers(world.context)
    others = [order for order in orders if order is not first]
    await asyncio.gather(*(order.send(world) for order in others))
    for order in others:
        if order.response.status_code == 201:
            assert not order.goes_on_without_changed or order.members - first.members
    await check(world, debtors, orders)
    await check_numbers(world)


async def test_a_member_that_waits_for_its_batch_cannot_be_handed_over_alone_r9(
    world: World,
) -> None:
    partner_id = await world.partner()
    (debtor,) = await world.debtors(1, await world.studio())
    await world.run(partner_id)
    order = {"member_id": str(debtor.member_id), "partner_id": str(partner_id)}
    fee = {"fee": {"amount": "5.00", "currency": "EUR"}}
    for body in (order, {**order, **fee}):
        refused = await world.post("/handovers", body)
        assert (refused.status_code, refused.json()["reason"]) == (409, "IN_COLLECTION")


async def test_a_claim_that_another_member_owes_by_now_is_free_for_that_one_r11(
    world: World,
) -> None:
    """Its owner may find out in the middle of the collection whose claim it is."""
    partner_id, studio_id = await world.partner(), await world.studio()
    (debtor,) = await world.debtors(1, studio_id)
    other_id, claim_id = new_id(), debtor.claim_ids[0]
    await world.run(partner_id)
    (handover,) = await world.handed_over()
    await world.feed(member(other_id, studio_id), claim(claim_id, other_id, studio_id, 2))
    assert (await world.get("/candidates/summary"))["members"] == 0
    await world.feed(closed(handover))
    preview = await world.preview(partner_id)
    (shown,) = (await world.get(f"/previews/{preview['preview_id']}/members"))["items"]
    assert shown["member_id"] == str(other_id)


async def test_a_claim_that_moved_before_it_went_out_is_held_all_the_same_r11(
    world: World,
) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    (debtor,) = await world.debtors(1, studio_id)
    other_id, claim_id = new_id(), debtor.claim_ids[0]
    await world.run(partner_id)
    await world.feed(
        member(other_id, studio_id),
        claim(claim_id, other_id, studio_id, 2),
        claim(new_id(), other_id, studio_id, amount=euros("3.00")),
    )
    await world.publish_all()
    summary = await world.get("/candidates/summary")
    assert summary["totals"] == [{"amount": "3.00", "currency": "EUR"}]


async def test_a_claim_that_moves_while_its_batch_goes_is_nobodys_to_hand_over_r11(
    world: World,
) -> None:
    """Its reservation and its new owner come at once; neither may miss the other."""
    partner_id, studio_id = await world.partner(), await world.studio()
    (debtor,) = await world.debtors(1, studio_id)
    other_id = new_id()
    await world.feed(member(other_id, studio_id))
    await world.run(partner_id)
    moved = world.message(claim(debtor.claim_ids[0], other_id, studio_id, 2))
    async with world.context.database.begin() as connection:
        await service.subscriptions.handlers[moved.type](Batch(connection, [moved], world.context))
        publishing_it = asyncio.create_task(world.publish_all())
        await until_somebody_waits(connection)
    await publishing_it
    (handover,) = await world.published(MemberHandedOverV1)
    assert handover.member_id == debtor.member_id
    assert (await world.get("/candidates/summary"))["members"] == 0
    async with world.context.database.connect() as connection:
        owed = await connection.scalars(text("SELECT cardinality(claim_ids) FROM members"))
        assert list(owed) == [0, 0]


async def test_a_claim_that_moves_while_its_case_ends_is_free_for_its_new_owner_r11(
    world: World,
) -> None:
    """Its end and its new owner come at once; neither may miss the other."""
    studio_id = await world.studio()
    (debtor,) = await world.debtors(1, studio_id)
    other_id = new_id()
    await world.feed(member(other_id, studio_id))
    await world.run(await world.partner())
    (handover,) = await world.handed_over()
    moved = world.message(claim(debtor.claim_ids[0], other_id, studio_id, 2))
    async with world.context.database.begin() as connection:
        await service.subscriptions.handlers[moved.type](Batch(connection, [moved], world.context))
        ending = asyncio.create_task(world.feed(closed(handover)))
        await until_somebody_waits(connection)
    await ending
    async with world.context.database.connect() as connection:
        owed = await connection.execute(text("SELECT member_id, claim_ids FROM members"))
        assert {row.member_id: row.claim_ids for row in owed} == {
            debtor.member_id: [],
            other_id: debtor.claim_ids,
        }


async def test_who_ends_a_case_waits_for_its_claims_before_it_holds_members(world: World) -> None:
    """A batch of claims, which holds claims and wants members, would wait in turn otherwise."""
    (debtor,) = await world.debtors(1, await world.studio(), "10.00", "5.00")
    await world.run(await world.partner())
    (handover,) = await world.handed_over()
    given_up, other = (each.claim_id for each in handover.claims)
    touch = text("UPDATE claims SET disputed = disputed WHERE claim_id = :claim_id")
    async with world.context.database.begin() as connection:
        await connection.execute(touch, {"claim_id": other})
        ending = asyncio.create_task(world.feed(written_off(handover, "1.00")))
        await until_somebody_waits(connection)
        await recount(connection, [(world.tenant_id, debtor.member_id)])
    await ending
    async with world.context.database.connect() as connection:
        owed = await connection.execute(text("SELECT claim_ids, total FROM members"))
        ((claim_ids, total),) = owed
    assert (set(claim_ids), total) == ({given_up, other}, euros("14.00").amount)


async def until_somebody_waits(connection: AsyncConnection) -> None:
    """Wait until somebody waits for a lock that this connection holds."""
    waiting = text(
        "SELECT count(*) FROM pg_locks"
        " WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    )
    async with asyncio.timeout(30):
        while not await connection.scalar(waiting):
            await asyncio.sleep(0.01)
