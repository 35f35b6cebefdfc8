"""Batches are handled as sets: more members are not more statements."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from case_service.receivables.change_claims import change_claims
from contracts import Event, MemberHandedOverV1
from kit.ids import new_id
from kit.trace import Cause
from tests.case_service.receivables import snapshot
from tests.case_service.world import (
    World,
    accepted,
    claim,
    closed,
    corrected,
    handover,
    paid,
    reversal,
)


@contextmanager
def _counted() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def _run(count: int, channel: str) -> list[MemberHandedOverV1]:
    run_id, partner_id = new_id(), new_id()
    return [
        handover(
            claim("30.00"),
            claim("12.50"),
            run_id=run_id,
            partner_id=partner_id,
            partner_channel=channel,
            booking_number=number,
        )
        for number in range(1, count + 1)
    ]


STEPS: dict[str, Callable[[MemberHandedOverV1], Event]] = {
    "answers": lambda case: accepted(case, "AZ 1"),
    "payments": lambda case: paid(case, "40.00"),
    "corrections": lambda case: corrected(case, "35.00"),
    "payments at the studio, and surpluses": lambda case: snapshot(case, paid="25.00"),
    "closures": closed,
}


async def test_a_large_batch_takes_no_more_statements_than_a_small_one(world: World) -> None:
    counts: list[dict[str, int]] = []
    for size in (5, 500):
        cases = _run(size, "API")
        counts.append({"handovers": await _statements(world, cases)})
        for name, step in STEPS.items():
            counts[-1][name] = await _statements(world, [step(case) for case in cases])
    assert counts[0] == counts[1]
    assert max(counts[0].values()) <= 20
    states = await world.rows(
        "SELECT status, result, residual, count(*) FROM cases GROUP BY 1, 2, 3"
    )
    assert [(row.status, row.result, str(row.residual), row.count) for row in states] == [
        ("CLOSED", "PARTLY_PAID", "7.50", 505)
    ]
    assert await world.differences() == []


async def test_claims_that_are_in_no_case_take_four_statements(world: World) -> None:
    """Receivables publishes every claim, and few of them are ever handed over."""
    cases = _run(200, "API")
    nobodys = [snapshot(case, each) for case in cases for each in case.claims]
    await world.deliver(*nobodys)
    with _counted() as statements:
        async with world.context.database.begin() as connection:
            cause = Cause(world.tenant_id, "request-1", None)
            newer = [each.model_copy(update={"sequence": 9}) for each in nobodys]
            await change_claims(connection, [(each, cause) for each in newer])
    assert len(statements) == 4


@pytest.mark.parametrize("channel", ["API", "BY_HAND"])
async def test_a_reversal_takes_a_handful_of_statements_for_500_cases(
    world: World, channel: str
) -> None:
    cases = _run(500, channel)
    await world.deliver(*cases)
    await world.deliver(reversal(cases[0]))
    with _counted() as statements:
        await world.work()
    assert len(statements) <= 20


async def _statements(world: World, events: Sequence[Event]) -> int:
    with _counted() as statements:
        await world.deliver(*events)
    return len(statements)
