"""Events in: one function for each contract. None depends on which comes first."""

from contracts import MemberHandedOverV1, RunCreatedV1
from export_service.runs.keep_handovers import keep_handovers
from export_service.runs.keep_runs import keep_runs
from kit.subscriptions import Batch, Subscriptions

subscriptions = Subscriptions()


@subscriptions.handles(RunCreatedV1)
async def run_created(batch: Batch[RunCreatedV1]) -> None:
    """A run was announced."""
    await keep_runs(batch.connection, batch.messages)


@subscriptions.handles(MemberHandedOverV1)
async def member_handed_over(batch: Batch[MemberHandedOverV1]) -> None:
    """Members of runs have arrived, perhaps before their run was announced."""
    await keep_handovers(batch.connection, batch.messages)
