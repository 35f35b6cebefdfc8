"""Follow cases: what happened to them is in the overview, whether or not their handover is."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.members import store
from export_service.members.case import CaseEvent, Key
from export_service.plan_anew import plan_anew
from kit.messages import Message

E = TypeVar("E", bound=CaseEvent)


async def follow_cases(connection: AsyncConnection, messages: Sequence[Message[E]]) -> None:
    """Takes in the events of cases, in the order in which they come for each case."""
    events: defaultdict[Key, list[CaseEvent]] = defaultdict(list)
    for message in messages:
        events[message.tenant_id, message.event.case_id].append(message.event)
    await plan_anew(connection)
    cases = await store.lock_cases(connection, events)
    for key, case in cases.items():
        for event in events[key]:
            case.follow(event)
    await store.save_cases(connection, cases)
