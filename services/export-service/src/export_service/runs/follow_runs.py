"""Follow runs: what has become of them."""

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import RunHandedOverV1, RunRejectedV1, RunReversedV1
from export_service.runs import store
from kit.messages import Message

RunEvent = RunHandedOverV1 | RunRejectedV1 | RunReversedV1
"""What becomes of a run."""
E = TypeVar("E", bound=RunEvent)


async def follow_runs(
    connection: AsyncConnection, messages: Sequence[Message[E]]
) -> list[Message[E]]:
    """Keeps when runs were handed over, rejected or reversed; returns what is of unknown runs."""
    known = await store.follow_runs(connection, [_row(message) for message in messages])
    return [
        message for message in messages if (message.tenant_id, message.event.run_id) not in known
    ]


def _row(message: Message[E]) -> store.Values:
    event: RunEvent = message.event
    told: store.Values = {
        "tenant_id": message.tenant_id,
        "run_id": event.run_id,
        "handed_over_at": None,
        "rejected_at": None,
        "reversed_at": None,
        "accepted_count": None,
        "rejected_count": None,
    }
    match event:
        case RunHandedOverV1():
            told["handed_over_at"] = event.handed_over_at
            told["accepted_count"] = event.accepted_count
            told["rejected_count"] = event.rejected_count
        case RunRejectedV1():
            told["rejected_at"] = event.rejected_at
            told["accepted_count"] = 0
            told["rejected_count"] = event.rejected_count
        case RunReversedV1():
            told["reversed_at"] = event.reversed_at
    return told
