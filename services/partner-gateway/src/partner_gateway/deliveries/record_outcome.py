"""Store what came of one try to deliver, and publish what the partner said with it.

A delivery ends once: whoever changes its status publishes, in the same transaction. So an answer
that comes twice, because a crash or a time-out made us ask again, is reported once.
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Event
from kit import outbox
from kit.clock import now
from kit.ids import new_id
from kit.trace import Cause
from partner_gateway.adapters.adapter import Notice
from partner_gateway.deliveries import pages, store
from partner_gateway.deliveries.delivery import Delivery, Verdict, pause_after
from partner_gateway.deliveries.follow_circuit import follow_circuit
from partner_gateway.deliveries.outcome import Outcome
from partner_gateway.notices.follow_delivery import follow_delivery
from partner_gateway.statement import to_report

_chance = random.SystemRandom()


async def record_outcome(
    connection: AsyncConnection,
    delivery: Delivery,
    outcome: Outcome,
    took: timedelta,
    delays: Sequence[float],
) -> None:
    """Store the outcome: ended, or when it is tried again; `delays` as for `pause_after`."""
    time = now()
    await store.end_try(connection, delivery, outcome.status, outcome.error, took)
    if await _settle(connection, delivery, outcome, delays, time):
        await outbox.publish(connection, await _outgoing(connection, delivery, outcome, time))
    # Last, for whoever takes a turn holds cases before the circuit, too: nobody waits in a circle.
    await follow_circuit(connection, delivery, outcome, time, _chance)


async def _settle(
    connection: AsyncConnection,
    delivery: Delivery,
    outcome: Outcome,
    delays: Sequence[float],
    time: datetime,
) -> bool:
    """Store how the delivery goes on; False when a later try, or an answer, overtook this one."""
    match outcome.verdict:
        case Verdict.ANSWERED:
            return await store.finish(connection, delivery, "DONE", None, time)
        case Verdict.REFUSED:
            first = await store.finish(connection, delivery, "STOPPED", outcome.error, time)
            if first and not isinstance(delivery.content, Notice):
                await pages.forget_items_of_ended_cases(connection, delivery)
            return first
        case Verdict.TRY_AGAIN:
            pause = pause_after(delays, delivery.tries, outcome.asked_pause, _chance)
            return await store.postpone(
                connection, delivery, outcome.error, time + pause, time + outcome.asked_pause
            )


async def _outgoing(
    connection: AsyncConnection, delivery: Delivery, outcome: Outcome, time: datetime
) -> list[tuple[Event, Cause]]:
    if isinstance(delivery.content, Notice):
        return await follow_delivery(connection, delivery, outcome.verdict, outcome.refusal, time)
    if outcome.verdict is Verdict.ANSWERED:
        return await _reports(connection, delivery, outcome, time)
    return []


async def _reports(
    connection: AsyncConnection, delivery: Delivery, outcome: Outcome, time: datetime
) -> list[tuple[Event, Cause]]:
    cases = await pages.forget_items(connection, delivery)
    # A partner speaks of the cases that it was asked about, whatever else it may name.
    return [
        (
            to_report(
                statement,
                report_id=new_id(),
                partner_id=delivery.partner_id,
                run_id=case.run_id,
                member_id=case.member_id,
                reported_at=time,
            ),
            case.cause,
        )
        for statement in outcome.said
        if (case := cases.get(statement.case_id)) is not None
    ]
