"""Keep what was announced of runs."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import RunCreatedV1
from export_service.runs import store
from kit.messages import Message


async def keep_runs(connection: AsyncConnection, messages: Sequence[Message[RunCreatedV1]]) -> None:
    """Keeps how many members and claims each run has: an export waits until they have arrived."""
    await store.insert_runs(connection, messages)
