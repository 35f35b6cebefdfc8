"""Runs, members and cases arrive in any order, more than once, in batches of any cut (R12, R40)."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text

from contracts import (
    Event,
    RunCreatedV1,
    RunHandedOverV1,
    RunRejectedV1,
    RunReversedV1,
)
from export_service.members import queries as members
from export_service.members.wanted import WantedMembers
from export_service.runs import queries as runs
from export_service.runs.run import Run, RunStatus
from export_service.subscribers import subscriptions
from kit.ids import new_id
from kit.inbox import Inbox
from tests.export_service.handed_over import record, run_of, studio
from tests.export_service.ordering import TENANT, ServiceContext, announce, hand_over

AT = datetime(2026, 3, 3, 9, tzinfo=UTC)


async def hear(context: ServiceContext, *events: Event) -> None:
    """Lets events arrive as they come from Kafka, as one batch, and what waited for them follow."""
    inbox = Inbox("export-service", subscriptions, context)
    await inbox.handle([record(TENANT, each) for each in events])


async def found(context: ServiceContext, run_id: UUID, *studio_ids: UUID) -> Run:
    """The run as it is known for these studios, or for all."""
    async with context.database.connect() as connection:
        run = await runs.find_run(connection, TENANT, run_id, studio_ids or None)
    assert run is not None
    return run


def arrived(run: Run) -> int:
    """How many members of a run have arrived."""
    return sum(part.members_arrived for part in run.studios)


async def rows(context: ServiceContext, run_id: UUID, *studio_ids: UUID) -> list[list[str]]:
    """All rows of a run, read three at a time."""
    cells: list[list[str]] = []
    position = runs.START
    async with context.database.connect() as connection:
        while batch := await runs.next_rows(
            connection, TENANT, run_id, studio_ids or None, after=position, limit=3
        ):
            cells += [texts for row in batch for texts in row.texts()]
            position = batch[-1].position
    return cells


async def overview(context: ServiceContext) -> list[str]:
    """All rows of the overview."""
    async with context.database.connect() as connection:
        batch = await members.next_rows(
            connection,
            TENANT,
            None,
            WantedMembers(),
            "Europe/Berlin",
            after=members.START,
            limit=100,
        )
    return [row.cells for row in batch]


def handed_over(run: RunCreatedV1, accepted: int = 2, rejected: int = 1) -> RunHandedOverV1:
    """Each member has an answer."""
    return RunHandedOverV1(
        **_of(run), accepted_count=accepted, rejected_count=rejected, handed_over_at=AT
    )


def reversed_(run: RunCreatedV1) -> RunReversedV1:
    """The run is cancelled."""
    return RunReversedV1(**_of(run), reversed_at=AT, reversed_count=2)


def _of(run: RunCreatedV1) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "booking_number": run.booking_number,
        "partner_id": run.partner_id,
    }


@pytest.mark.parametrize("order", range(6))
async def test_in_any_order_a_run_comes_to_the_same(context: ServiceContext, order: int) -> None:
    """R12: topics mixed, batches of any cut, some of them twice."""
    chance = random.Random(order)
    studios = [studio("Süd"), studio("Nord"), studio("Nord")]
    run, handovers = run_of(members=7, claims=2, studios=studios)
    topics: list[list[Event]] = [[run, handed_over(run), reversed_(run)], [*handovers]]
    chance.shuffle(topics[1])
    records = []
    while any(topics):
        (topic,) = chance.choices(topics, [len(topic) for topic in topics])
        records.append(record(TENANT, topic.pop(0)))
    inbox = Inbox("export-service", subscriptions, context)
    while records:
        batch, records = records[: (size := chance.randint(1, 4))], records[size:]
        for _ in range(chance.randint(1, 2)):
            await inbox.handle(batch)

    known = await found(context, run.run_id)
    assert known.is_whole
    assert known.announced
    assert (known.member_count, known.claim_count) == (7, 14)
    assert known.totals == {"EUR": Decimal("22.40")}
    assert known.status is RunStatus.CANCELLED
    assert (known.accepted_count, known.rejected_count) == (2, 1)
    assert [each.name for each in known.studios] == ["Nord", "Nord", "Süd"]
    assert {row[50] for row in await rows(context, run.run_id)} == {
        str(each.case_id) for each in handovers
    }
    assert len(await overview(context)) == 7


async def test_a_run_tells_how_much_of_it_has_arrived(context: ServiceContext) -> None:
    """An export of it waits, and can say for how many."""
    ours, other = studio("Unseres"), studio("Anderes")
    run, handovers = run_of(members=5, claims=3, studios=[ours, other])
    await hand_over(context, handovers[:1])
    early = await found(context, run.run_id)
    assert not early.announced
    assert not early.is_whole
    assert (arrived(early), early.member_count, early.booking_number) == (1, 0, "2026-000001")
    await announce(context, run)
    await hand_over(context, [each for each in handovers if each.studio == ours])
    known = await found(context, run.run_id)
    assert (arrived(known), known.member_count, known.is_whole) == (3, 5, False)
    part = await found(context, run.run_id, ours.studio_id)
    assert part == known.narrowed_to(ours.studio_id)
    assert (part.member_count, part.claim_count, part.is_whole) == (2, 6, True)
    async with context.database.connect() as connection:
        for tenant_id, studio_id in ((new_id(), ours.studio_id), (TENANT, new_id())):
            assert await runs.find_run(connection, tenant_id, run.run_id, [studio_id]) is None


@pytest.mark.parametrize("together", [True, False])
async def test_of_two_handovers_of_a_case_the_first_counts(
    context: ServiceContext, together: bool
) -> None:
    run, (first,) = run_of(members=1)
    debtor = first.debtor.model_copy(update={"name1": "Other"})
    second = first.model_copy(update={"debtor": debtor})
    batches = [[first, second]] if together else [[first], [second]]
    for batch in batches:
        await hear(context, *batch)
    (cells,) = await rows(context, run.run_id)
    assert first.debtor.name1 in cells
    assert "Other" not in cells


async def test_what_becomes_of_a_run_waits_for_the_run(context: ServiceContext) -> None:
    run, _ = run_of(members=3)
    refused, _ = run_of(members=1)
    rejected = RunRejectedV1(**_of(refused), rejected_count=1, rejected_at=AT)
    await hear(context, handed_over(run), rejected)
    await hear(context, run, refused)
    known = await found(context, run.run_id)
    assert (known.status, known.handed_over_at) == (RunStatus.HANDED_OVER, AT)
    known = await found(context, refused.run_id)
    assert (known.status, known.rejected_at) == (RunStatus.REJECTED, AT)
    assert (known.accepted_count, known.rejected_count) == (0, 1)
    part = await found(context, refused.run_id, refused.studios[0].studio_id)
    assert (part.accepted_count, part.rejected_count) == (None, None), "they are of the whole run"
    async with context.database.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM parked")) == 0


async def test_rows_come_studio_by_studio_and_of_some_only(context: ServiceContext) -> None:
    """R42: within a studio in the order of the booking numbers, then of the claims."""
    studios = [studio(name) for name in "ABC"]
    run, handovers = run_of(members=7, claims=2, studios=studios)
    await hand_over(context, handovers[::-1])
    expected = sorted(
        (
            (each.studio.studio_id, each.booking_number, f"{index + 1}.10", str(each.case_id))
            for each in handovers
            for index in range(2)
        ),
    )
    read = await rows(context, run.run_id)
    assert [(row[54], row[50]) for row in read] == [each[2:] for each in expected]
    chosen = [studios[0].studio_id, studios[2].studio_id]
    read = await rows(context, run.run_id, *chosen)
    assert [row[50] for row in read] == [each[3] for each in expected if each[0] in chosen]


async def test_many_rows_are_read_off_an_index(context: ServiceContext) -> None:
    """R41: nothing is sorted, for a run or an overview may have a million rows."""
    run, handovers = run_of(members=1)
    await hand_over(context, handovers)
    await many_more(context)
    statements: list[tuple[str, Any]] = []

    def keep(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        statements.append((statement, values))

    async with context.database.connect() as connection:
        engine = connection.engine.sync_engine
        event.listen(engine, "before_cursor_execute", keep)
        studio_ids = [handovers[0].studio.studio_id, new_id()]
        for narrowed in (None, studio_ids):
            await runs.next_rows(
                connection, TENANT, run.run_id, narrowed, after=runs.START, limit=1000
            )
            await members.next_rows(
                connection,
                TENANT,
                narrowed,
                WantedMembers.model_validate({"from": "2026-01-01", "search": "mull"}),
                "Europe/Berlin",
                after=members.START,
                limit=1000,
            )
        event.remove(engine, "before_cursor_execute", keep)
        asked = [each for each in statements if "ORDER BY" in each[0]]
        assert len(asked) == 4
        for statement, values in asked:
            plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", values)
            steps = "\n".join(plan.scalars())
            assert "Index Scan" in steps
            assert "Sort" not in steps


async def many_more(context: ServiceContext) -> None:
    """More of the same, as they come, so many that PostgreSQL would sort them rather."""
    async with context.database.begin() as connection:
        await connection.execute(
            text(
                """
                INSERT INTO handover_rows
                    (tenant_id, run_id, studio_id, booking_number, claim_index, cells, claims)
                SELECT tenant_id, run_id, studio_id, number, 0, cells, claims
                FROM handover_rows, generate_series(2, 10000) AS number
                ORDER BY random()
                """
            )
        )
        await connection.execute(
            text(
                """
                INSERT INTO cases
                SELECT tenant_id, uuidv7(), run_id, run_booking_number, booking_number, member_id,
                       studio_id, studio_name, partner_id, name, membership_number, search_text,
                       collection_date - number % 100, currency, handed_over
                FROM cases, generate_series(2, 10000) AS number
                ORDER BY random()
                """
            )
        )
        await connection.execute(text("ANALYZE"))
