"""Store what came of one try to deliver, and publish what the partner said with it.

A delivery ends once: whoever changes its status publishes, in the same transaction. So an answer
that comes twice, because a crash or a time-out made us ask again, is reported once.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Event
from kit import outbox
from kit.clock import now
from kit.ids import new_id
from kit.trace import Cause
from partner_gateway.adapters.adapter import Adapter, HandoverPage, Notice, UnreadableError
from partner_gateway.deliveries import store
from partner_gateway.deliveries.delivery import (
    Delivery,
    Verdict,
    judge,
    pause_after,
    retry_after,
)
from partner_gateway.exchange import NoReplyError, Reply
from partner_gateway.notices.follow_delivery import follow_delivery
from partner_gateway.statement import CaseAccepted, CaseRejected, to_report

_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one try came to."""

    verdict: Verdict
    error: str | None = None
    """Why it is tried again, or not any more; without personal data."""
    asked_pause: timedelta = timedelta()
    said: Sequence[CaseAccepted | CaseRejected] = ()
    """What the partner said at once about the cases of a page."""


def read_outcome(adapter: Adapter, delivery: Delivery, reply: Reply | NoReplyError) -> Outcome:
    """Judge what came back; an answer that cannot be read counts as none: it is asked for again."""
    if isinstance(reply, NoReplyError):
        return Outcome(Verdict.TRY_AGAIN, reply.reason)
    verdict = judge(reply.status)
    if verdict is not Verdict.ANSWERED:
        asked = retry_after(reply.retry_after, now())
        return Outcome(verdict, f"HTTP {reply.status}", asked)
    try:
        if isinstance(delivery.content, HandoverPage):
            return Outcome(verdict, said=adapter.handover_answer(reply.body))
        if adapter.notice_acknowledged(reply.body):
            return Outcome(verdict)
    except UnreadableError as error:
        return Outcome(Verdict.TRY_AGAIN, f"answer unreadable: {error.reason}")
    return Outcome(Verdict.TRY_AGAIN, "not acknowledged")


async def record_outcome(
    connection: AsyncConnection, delivery: Delivery, outcome: Outcome, delays: Sequence[float]
) -> None:
    """Store the outcome: ended, or when it is tried again; `delays` as for `pause_after`."""
    time = now()
    match outcome.verdict:
        case Verdict.ANSWERED:
            first = await store.finish(connection, delivery, "DONE", None, time)
        case Verdict.REFUSED:
            first = await store.finish(connection, delivery, "STOPPED", outcome.error, time)
        case Verdict.TRY_AGAIN:
            pause = pause_after(delays, delivery.tries, outcome.asked_pause, _chance)
            first = await store.postpone(connection, delivery, outcome.error, time + pause)
    if not first:
        return
    if isinstance(delivery.content, Notice):
        outgoing = await follow_delivery(connection, delivery, outcome.verdict, None, time)
    elif outcome.verdict is Verdict.ANSWERED:
        outgoing = await _reports(connection, delivery, outcome, time)
    else:
        return
    await outbox.publish(connection, outgoing)


async def _reports(
    connection: AsyncConnection, delivery: Delivery, outcome: Outcome, time: datetime
) -> list[tuple[Event, Cause]]:
    cases = await store.forget_items(connection, delivery)
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
