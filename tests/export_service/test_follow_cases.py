"""What the overview keeps of cases is what their events add up to, however they come (R20)."""

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from export_service.members.case import Case, CaseEvent
from export_service.members.store import cases
from export_service.subscribers import subscriptions
from kit.inbox import Inbox
from tests.export_service.case_events import close, set_file_number
from tests.export_service.handed_over import record, run_of
from tests.export_service.ordering import TENANT, ServiceContext, hand_over
from tests.export_service.test_case import CLAIMS, WHAT, Model

IN_ONE_RUN = 40


@pytest.mark.parametrize("seed", range(4))
async def test_cases_stand_where_their_events_lead(context: ServiceContext, seed: int) -> None:
    """R20: batches of any cut, cases with one event and with many, some of them late or twice."""
    chance = random.Random(seed)
    _, handovers = run_of(members=IN_ONE_RUN)
    told = {
        each.case_id: [
            event.model_copy(update={"case_id": each.case_id, "member_id": each.member_id})
            for event in events_of_a_case(chance)
        ]
        for each in handovers
    }
    expected: defaultdict[object, Case] = defaultdict(Case)
    inbox = Inbox("export-service", subscriptions, context)
    await hand_over(context, handovers[: IN_ONE_RUN // 2])
    for batch in batches(chance, list(told.values())):
        await inbox.handle([record(TENANT, event) for event in batch])
        for event in batch:
            expected[event.case_id].follow(event)
    await hand_over(context, handovers[IN_ONE_RUN // 2 :])

    async with context.database.connect() as connection:
        kept = {row.case_id: row for row in await connection.execute(select(cases))}
    assert kept.keys() == told.keys()
    assert all(row.run_id == handovers[0].run_id for row in kept.values())
    for case_id, row in kept.items():
        case = expected[case_id]
        stands = (row.status, row.file_number, row.collected, row.open, row.result, row.ended_at)
        assert stands == (
            case.status,
            case.file_number,
            case.collected,
            case.open,
            case.result,
            case.ended_at,
        )


@pytest.mark.parametrize(
    "first_or_last", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
)
async def test_what_comes_after_the_end_is_taken_in_whenever_that_was(
    context: ServiceContext, first_or_last: datetime
) -> None:
    """Also at the first and the last instant of all, which for a database may be no instants."""
    _, (member,) = run_of(members=1)
    await hand_over(context, [member])
    await close(context, member, at=first_or_last)
    await set_file_number(context, member, "AZ-1")
    await close(context, member)
    async with context.database.connect() as connection:
        case = (await connection.execute(select(cases))).one()
    assert (case.status, case.file_number) == ("CLOSED", "AZ-1")


def events_of_a_case(chance: random.Random) -> list[CaseEvent]:
    """What happens to a case; now and then in another order, or with two ends."""
    events: list[CaseEvent] = []
    for _ in range(chance.randint(1, 2)):
        model = Model()
        for what in chance.choices(WHAT, k=chance.choice([1, 3, 15, 15])):
            model.do(what, chance.choice(CLAIMS), chance.randint(0, 1500))
        events += model.events
    if chance.random() < 0.3:
        chance.shuffle(events)
    return events


def batches(chance: random.Random, told: list[list[CaseEvent]]) -> Iterator[list[CaseEvent]]:
    """The events of each case in their order, those of all cases mixed."""
    while told := [events for events in told if events]:
        lots = chance.choices(told, k=chance.randint(1, 30))
        yield [events.pop(0) for events in lots if events]
