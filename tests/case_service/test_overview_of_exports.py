"""The members overview that export-service keeps of our events says what we say (R20, R42)."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from contracts import TOPICS, MemberHandedOverV1, parse
from export_service.members import queries
from export_service.members.columns import columns
from export_service.members.wanted import WantedMembers
from export_service.rendering.language import Language
from export_service.settings import Settings
from export_service.subscribers import subscriptions
from kit.context import Context
from kit.database import Database
from kit.ids import new_id
from kit.inbox import Inbox
from kit.messages import Record
from local_stack.issuer import ROLES
from tests.case_service.receivables import snapshot
from tests.case_service.test_model import CaseService
from tests.case_service.world import (
    World,
    claim,
    euros,
    file_number_assigned,
    handover,
    money,
    rejected,
)

EXAMPLES, STEPS, ORDERS = 2, 30, 3
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"status": ["CLOSED", "PENDING"]},
    {"open_again": True},
    {"open_again": False},
    {"from": "2026-03-02", "to": "2026-03-02"},
    {"from": "2026-03-03"},
    {"search": "muell zo"},
    {"search": "nobody"},
)
TYPES = list(TOPICS["collection.case.v1"].types)
HEADINGS = [column.name for column in columns(Language.EN)]


@dataclass
class Overview:
    """What export-service keeps."""

    context: Context[Settings]

    async def hear(self, records: Sequence[Record], chance: random.Random) -> None:
        """Takes records in batches of any cut, some of them again."""
        inbox = Inbox("export-service", subscriptions, self.context)
        left = list(records)
        while left:
            size = chance.randint(1, 12)
            batch, left = left[:size], left[size:]
            await inbox.handle(batch)
            if chance.random() < 0.2:
                await inbox.handle(batch)

    async def cases(self, tenant_id: UUID, **wanted: Any) -> list[dict[str, str]]:
        """The rows that are asked for, by their headings, two at a time."""
        found: list[dict[str, str]] = []
        position = queries.START
        async with self.context.database.connect() as connection:
            while rows := await queries.next_rows(
                connection,
                tenant_id,
                None,
                WantedMembers.model_validate(wanted),
                "Europe/Berlin",
                after=position,
                limit=2,
            ):
                found += [dict(zip(HEADINGS, json.loads(row.cells), strict=True)) for row in rows]
                position = rows[-1].position
        return found


@pytest.fixture
async def overview(
    migrated: Callable[[str], AbstractAsyncContextManager[str]],
    pool_of: Callable[[str], Database],
) -> AsyncIterator[Overview]:
    """An export-service with an empty database."""
    async with migrated("export_service.migrations") as url:
        yield Overview(Context(Settings.model_construct(), pool_of(url)))


class Heard(CaseService):
    """At the end of each example export-service hears all of it."""

    overview: Overview

    def teardown(self) -> None:
        tenant = self.tenant
        come = [event for key, event in tenant.handovers.items() if key not in tenant.on_the_way]
        tenant.do(_compare(self.overview, tenant.world, come))


async def _compare(
    overview: Overview, world: World, handovers: Sequence[MemberHandedOverV1]
) -> None:
    """Let export-service hear all of a tenant in several orders; it must say the same."""
    shown = await _shown(world)
    for number in range(ORDERS):
        chance = random.Random(number)
        elsewhere = replace(world, tenant_id=new_id())
        await overview.hear(await _records(world, handovers, elsewhere, chance), chance)
        rows = await overview.cases(elsewhere.tenant_id)
        assert [{name: row[name] for name in shown[0]} for row in rows] == shown
        for wanted in (*FILTERS, *_filters_by_id(handovers)):
            found = await overview.cases(elsewhere.tenant_id, **wanted)
            ids = [each["case_id"] for each in await _ask(world, "cases", **wanted)]
            assert [row["Case id"] for row in found] == ids, wanted


def _filters_by_id(handovers: Sequence[MemberHandedOverV1]) -> list[dict[str, Any]]:
    """Filters that find the first handover, and perhaps others."""
    return [
        {name: str(id_)}
        for each in handovers[:1]
        for name, id_ in (
            ("partner_id", each.partner_id),
            ("studio_id", each.studio.studio_id),
            ("run_id", each.run_id),
        )
    ]


async def _records(
    world: World, handovers: Sequence[MemberHandedOverV1], elsewhere: World, chance: random.Random
) -> list[Record]:
    """All that was published: in order for each topic, in any order of both."""
    rows = await world.rows(
        "SELECT type, payload FROM outbox WHERE tenantid = :tenant_id AND type = ANY (:types)"
        " ORDER BY seq",
        tenant_id=world.tenant_id,
        types=TYPES,
    )
    handed_over = await _with_what_is_open(world, handovers)
    chance.shuffle(handed_over)
    topics = [
        [elsewhere.record(event) for event in handed_over],
        [elsewhere.record(parse(row.type, row.payload)) for row in rows],
    ]
    records = []
    while any(topics):
        (topic,) = chance.choices(topics, [len(topic) for topic in topics])
        records.append(topic.pop(0))
    return records


async def _with_what_is_open(
    world: World, handovers: Sequence[MemberHandedOverV1]
) -> list[MemberHandedOverV1]:
    """The handovers by a run-service that knows what was collected before."""
    rows = await world.rows(
        "SELECT case_id, claim_id, handed_over FROM case_claims WHERE tenant_id = :tenant_id",
        tenant_id=world.tenant_id,
    )
    open_ = {(row.case_id, row.claim_id): euros(str(row.handed_over)) for row in rows}
    return [
        event.model_copy(
            update={
                "claims": tuple(
                    claim.model_copy(update={"to_collect": open_[event.case_id, claim.claim_id]})
                    for claim in event.claims
                )
            }
        )
        for event in handovers
    ]


async def _shown(world: World) -> list[dict[str, str]]:
    """What the service says of all cases, the newest handover first."""
    ends = {
        str(row.case_id): row
        for row in await world.rows(
            "SELECT case_id, coalesce(result, '') AS result,"
            " coalesce(to_char(ended_at AT TIME ZONE 'Europe/Berlin', 'YYYY-MM-DD'), '') AS day"
            " FROM cases WHERE tenant_id = :tenant_id",
            tenant_id=world.tenant_id,
        )
    }
    cases = [
        {
            "Name": member["name"],
            "Membership number": member["membership_number"],
            "Handed over on": case["collection_date"],
            "Handed over": case["handed_over"]["amount"],
            "Currency": case["handed_over"]["currency"],
            "Case status": case["status"],
            "File number": case["file_number"] or "",
            "Collected": case["collected"]["amount"],
            "Open": case["open"]["amount"],
            "Result": ends[case["case_id"]].result,
            "Ended on": ends[case["case_id"]].day,
            "Member id": member["member_id"],
            "Case id": case["case_id"],
            "Partner id": case["partner_id"],
        }
        for member in await _ask(world, "members")
        for case in member["cases"]
    ]
    return sorted(cases, key=lambda case: (case["Handed over on"], case["Case id"]), reverse=True)


async def _ask(world: World, what: str, **wanted: Any) -> list[dict[str, Any]]:
    answer = await world.client.get(
        f"/v1/{what}",
        params={"limit": 500, **wanted},
        headers={"Authorization": f"Bearer {world.issuer.token(world.tenant_id, ROLES)}"},
    )
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_the_overview_is_what_case_service_says_whatever_happens(
    world: World, overview: Overview
) -> None:
    """R20, R42: of tenants made up at random, in whichever order it is heard."""
    Heard.prototype, Heard.loop = world, asyncio.get_running_loop()
    Heard.overview = overview
    await asyncio.to_thread(
        run_state_machine_as_test,
        seed(7)(Heard),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


async def test_each_event_of_a_case_shows_in_the_overview(world: World, overview: Overview) -> None:
    """R20: as case-service shows it."""
    paid_twice, cancelled = await world.open(claim(), claim()), await world.open()
    waiting, refused = (handover(partner_channel="API") for _ in range(2))
    await world.deliver(waiting, refused, rejected(refused))
    await world.deliver(file_number_assigned(cancelled, "AZ-7"), snapshot(waiting, amount="12.00"))
    payment_id = await world.receive(paid_twice, "50.00")
    await world.deliver(snapshot(paid_twice, amount="5.00"))
    second_id = await world.receive(paid_twice, "70.00", "P-2")
    settled = await world.settle(paid_twice, second_id, "PAID_BACK", amount=money("30.00"))
    assert settled.status_code == 201, settled.text
    await world.receive(cancelled, "10.00")
    await world.ask("POST", f"/cases/{cancelled.case_id}/cancellation", {"comment": "so"})
    await world.close(paid_twice)
    await world.reduce(paid_twice, payment_id, "20.00")
    again = await world.open(*paid_twice.claims[1:], member_id=paid_twice.member_id)
    shrunk, open_again = await world.open(), await world.open()
    await world.receive(shrunk, "30.00")
    await world.deliver(snapshot(shrunk, amount="5.00"))
    await world.receive(open_again, "30.00")
    await world.close(open_again)
    (payment,) = (await world.case(open_again))["payments"]
    await world.reduce(open_again, payment["payment_id"], "1.00")

    published = await world.rows("SELECT DISTINCT type FROM outbox")
    assert {row.type for row in published} >= set(TYPES)
    handovers = [paid_twice, cancelled, waiting, refused, again, shrunk, open_again]
    await _compare(overview, world, handovers)
