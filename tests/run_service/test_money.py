"""Sums lose no cent on their way from claims to handovers: R1, R2, R4, R6, R7, R9."""

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from contracts import Event, MemberHandedOverV1, Money, RunCreatedV1, parse
from kit.ids import new_id
from run_service import money
from tests.run_service.world import World, claim, euros, member

Sums = dict[str, Decimal]
"""An amount by currency."""

LARGEST = "999999999999.99"


@dataclass
class Owing:
    """A member, with amount and direct payment of each of its claims."""

    studio_id: UUID
    currency: str
    amounts: list[tuple[Decimal, Decimal]]

    @property
    def open(self) -> list[Decimal]:
        """What is to be collected on each claim."""
        return [amount - paid for amount, paid in self.amounts]


@st.composite
def _amounts(draw: st.DrawFn) -> tuple[Decimal, Decimal]:
    """Draw the amount of a claim in whole cents, and what was paid on it: at least a cent less."""
    cents = draw(st.integers(1, 9_999_999_999))
    paid = draw(st.one_of(st.just(0), st.integers(0, cents - 1)))
    return Decimal(cents) / 100, Decimal(paid) / 100


_MEMBERS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["EUR", "CHF"]),
        st.lists(_amounts(), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=12,
)


def sums_of(members: Iterable[Owing]) -> Sums:
    """Add up what members owe, by currency."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in members:
        sums[each.currency] += sum(each.open)
    return dict(sums)


def seen(totals: Iterable[Any]) -> Sums:
    """Return totals as the API and the events tell them; each currency stands once."""
    pairs = [
        (each.currency, each.amount)
        if isinstance(each, Money)
        else (each["currency"], Decimal(each["amount"]))
        for each in totals
    ]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


async def owe(world: World, members: Iterable[Owing]) -> None:
    """Set the members up with their claims."""
    snapshots: list[Event] = []
    for each in members:
        member_id = new_id()
        snapshots.append(member(member_id, each.studio_id))
        for amount, paid in each.amounts:
            snapshots.append(
                claim(
                    new_id(),
                    member_id,
                    each.studio_id,
                    amount=Money(amount=amount, currency=each.currency),
                    paid_directly=f"{paid:.2f}",
                )
            )
    await world.feed(*snapshots)


async def check_sums(world: World, members: list[Owing]) -> None:
    """Hand all members over, and compare each sum on the way."""
    sums, by_studio = sums_of(members), defaultdict[UUID, list[Owing]](list)
    for each in members:
        by_studio[each.studio_id].append(each)
    studios = {studio_id: sums_of(same) for studio_id, same in by_studio.items()}

    summary = await world.get("/candidates/summary")
    assert seen(summary["totals"]) == sums
    assert {UUID(part["studio_id"]): seen(part["totals"]) for part in summary["studios"]} == studios
    preview = await world.preview(await world.partner())
    assert seen(preview["totals"]) == sums
    response = await world.post("/runs", {"preview_id": preview["preview_id"]})
    assert response.status_code == 201
    run_id = response.json()["run_id"]
    assert seen(response.json()["totals"]) == sums
    parts = (await world.get(f"/runs/{run_id}/studios"))["items"]
    assert {UUID(part["studio_id"]): seen(part["totals"]) for part in parts} == studios

    await world.publish_all()
    created, *handovers = await events_of(world)
    assert seen(created.totals) == sums
    assert {part.studio_id: seen(part.totals) for part in created.studios} == studios
    claims = [each.to_collect for handover in handovers for each in handover.claims]
    assert seen(money.sums_of(claims)) == sums
    assert sorted(each.amount for each in claims) == sorted(
        amount for each in members for amount in each.open
    )
    for listed in ("handed_over", "open"):
        amounts = [Money.model_validate(each[listed]) for each in await members_of(world, run_id)]
        assert seen(money.sums_of(amounts)) == sums
    assert await sums_in_tables(world, run_id) == [sums, sums, sums]


async def events_of(world: World) -> list[Any]:
    """Return what was published of the tenant's run: that it was made, and its handovers."""
    statement = text("SELECT type, payload FROM outbox WHERE tenantid = :tenant_id ORDER BY seq")
    async with world.context.database.connect() as connection:
        rows = await connection.execute(statement, {"tenant_id": world.tenant_id})
        events = [parse(row.type, row.payload) for row in rows]
    types = [type(each) for each in events]
    assert types == [RunCreatedV1] + [MemberHandedOverV1] * (len(types) - 1)
    return events


async def members_of(world: World, run_id: str) -> list[Any]:
    """Return all members of a run, page by page."""
    page = await world.get(f"/runs/{run_id}/members?limit=500")
    items = page["items"]
    while page["next"] is not None:
        page = await world.get(f"/runs/{run_id}/members?limit=500&cursor={page['next']}")
        items += page["items"]
    return list(items)


async def sums_in_tables(world: World, run_id: str) -> list[Sums]:
    """Return the sums of a run as its tables hold them: by studio, by member, by claim."""
    sums = []
    async with world.context.database.connect() as connection:
        for rows in (
            "SELECT currency, amount FROM run_studio_totals WHERE run_id = :run_id",
            "SELECT currency, total AS amount FROM run_members WHERE run_id = :run_id",
            (
                "SELECT currency, to_collect AS amount FROM reservations"
                " JOIN claims USING (tenant_id, claim_id) WHERE run_id = :run_id"
            ),
        ):
            statement = (
                f"SELECT currency, sum(amount) AS amount FROM ({rows}) AS rows GROUP BY currency"
            )
            found = await connection.execute(text(statement), {"run_id": run_id})
            sums.append({row.currency: row.amount for row in found})
    return sums


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(_MEMBERS)
async def test_sums_add_up_to_the_cent_from_claims_to_handovers(
    world: World, drawn: list[tuple[int, str, list[tuple[Decimal, Decimal]]]]
) -> None:
    """R1, R2, R4, R6, R7: in the database, in the events and in what the API says."""
    world = replace(world, tenant_id=new_id())  # each example has a tenant of its own
    studio_ids = [await world.studio(f"Studio {number}") for number in range(3)]
    members = [Owing(studio_ids[place], currency, amounts) for place, currency, amounts in drawn]
    await owe(world, members)
    await check_sums(world, members)


async def test_sums_of_many_members_add_up(world: World) -> None:
    """More than one batch of them."""
    chance = random.Random(7)
    studio_ids = [await world.studio(f"Studio {number}") for number in range(4)]
    members = [
        Owing(
            chance.choice(studio_ids),
            chance.choice(["EUR", "CHF"]),
            [
                (Decimal(chance.randint(1, 9_999_999)) / 100, Decimal("0.00"))
                for _ in range(chance.randint(1, 3))
            ],
        )
        for _ in range(620)
    ]
    await owe(world, members)
    await check_sums(world, members)


@pytest.mark.parametrize("amounts", [["0.01"], ["999999999.99"], ["999999999.98", "0.01"]])
async def test_the_smallest_and_the_largest_sums_go(world: World, amounts: list[str]) -> None:
    members = [
        Owing(
            await world.studio(),
            "EUR",
            [(Decimal(amount), Decimal("0.00")) for amount in amounts],
        )
    ]
    await owe(world, members)
    await check_sums(world, members)


@pytest.mark.parametrize(
    "amounts", [["1000000000.00"], [LARGEST], [LARGEST] * 3, ["999999999.99", "0.01"]]
)
async def test_more_than_anybody_owes_is_left_out_and_breaks_nothing(
    world: World, amounts: list[str]
) -> None:
    """R1, R2, R9: the other members go."""
    partner_id, studio_id = await world.partner(), await world.studio()
    (too_much,) = await world.debtors(1, studio_id, *amounts)
    await world.debtors(1, studio_id, "0.01")
    left_out = [{"reason": "AMOUNT_TOO_LARGE", "members": 1}]
    summary = await world.get("/candidates/summary")
    assert (summary["members"], summary["left_out"]) == (1, left_out)
    assert seen(summary["totals"]) == {"EUR": Decimal("0.01")}
    preview = await world.preview(partner_id)
    assert (preview["members"], preview["left_out"]) == (1, left_out)
    order = {"member_id": str(too_much.member_id), "partner_id": str(partner_id)}
    refused = await world.post("/handovers", order)
    assert (refused.status_code, refused.json()["reason"]) == (409, "AMOUNT_TOO_LARGE")
    run = await world.post("/runs", {"preview_id": preview["preview_id"]})
    assert seen(run.json()["totals"]) == {"EUR": Decimal("0.01")}
    (handover,) = await world.handed_over()
    assert [each.to_collect for each in handover.claims] == [euros("0.01")]


@pytest.mark.parametrize("fee", ["999999970.00", LARGEST])
async def test_a_fee_counts_for_what_is_more_than_anybody_owes_r9(world: World, fee: str) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    (debtor,) = await world.debtors(1, studio_id, "30.00")
    order = {"member_id": str(debtor.member_id), "partner_id": str(partner_id)}
    refused = await world.post("/handovers", {**order, "fee": {"amount": fee, "currency": "EUR"}})
    assert (refused.status_code, refused.json()["reason"]) == (409, "AMOUNT_TOO_LARGE")
    most = {"amount": "999999969.99", "currency": "EUR"}
    made = await world.post("/handovers", {**order, "fee": most})
    assert seen(made.json()["totals"]) == {"EUR": Decimal("999999999.99")}
