"""A run goes on to the status that the answers on its members have earned it (R8, R10)."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Event, RunHandedOverV1, RunRejectedV1, RunReversedV1
from kit import outbox
from kit.clock import now
from kit.context import Context
from run_service.runs import tallies
from run_service.runs.run import RunStatus, next_status
from run_service.runs.store import LockedRun, change_run, lock_tallied_run
from run_service.runs.work_on_run import work_on_run


async def settle_runs(context: Context[Any]) -> bool:
    """Settle one run that has new answers, and tell whether there was one.

    A run that fails is tried again after a minute, and holds no other up.
    """
    return await work_on_run(context, lock_tallied_run, settle, postponed_by="next_settling_at")


async def settle(connection: AsyncConnection, run: LockedRun) -> None:
    """Add up the answers on a locked run, and publish the status that it comes to by them.

    The lock and the status together let each of these events happen once.
    """
    progress = await tallies.add_up(connection, run)
    status = next_status(
        run.status, progress, reversal_requested=run.reversal_requested_at is not None
    )
    if status is run.status:
        return
    time = now()
    cause = run.creation
    event: Event
    match status:
        case RunStatus.HANDED_OVER:
            column = "handed_over_at"
            event = RunHandedOverV1(
                run_id=run.run_id,
                booking_number=run.booking_number,
                partner_id=run.partner_id,
                accepted_count=progress.accepted,
                rejected_count=progress.rejected,
                handed_over_at=time,
            )
        case RunStatus.REJECTED:
            column = "rejected_at"
            event = RunRejectedV1(
                run_id=run.run_id,
                booking_number=run.booking_number,
                partner_id=run.partner_id,
                rejected_count=progress.rejected,
                rejected_at=time,
            )
        case RunStatus.CANCELLED:
            column = "reversed_at"
            cause = run.reversal or run.creation
            event = RunReversedV1(
                run_id=run.run_id,
                booking_number=run.booking_number,
                partner_id=run.partner_id,
                reversed_at=time,
                reversed_count=progress.reversed,
            )
        case _:
            raise AssertionError(f"nothing leads to {status}")
    await change_run(connection, run, **{"status": status.value, column: time})
    await outbox.publish(connection, [(event, cause)])
