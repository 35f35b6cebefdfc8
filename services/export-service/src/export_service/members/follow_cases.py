"""Follow cases: what happened to them is in the overview, whether or not their handover is."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.members import store
from export_service.members.case import Case, CaseEvent, Key
from export_service.plan_anew import plan_anew
from kit.messages import Message

E = TypeVar("E", bound=CaseEvent)


async def follow_cases(connection: AsyncConnection, messages: Sequence[Message[E]]) -> None:
    """Takes in the events of cases, in the order in which they come for each case.

    They are followed from nothing first: a run's cases are opened, and closed, when nothing else
    matters. Only where something told before does, they are followed again, from there.
    """
    told: defaultdict[Key, Case] = defaultdict(Case)
    for message in messages:
        event = message.event
        told[message.tenant_id, event.case_id].follow(event)
    told_before = await store.tell_cases(connection, told)
    if not told_before:
        return
    await plan_anew(connection)
    cases = await store.find_told(connection, told_before)
    for message in messages:
        case = cases.get((message.tenant_id, message.event.case_id))
        if case is not None:
            case.follow(message.event)
    await store.save_cases(connection, cases)
