"""Staff order that a run be reversed; its cases then end one by one (R10)."""

from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import RunReversalRequestedV1
from kit import outbox
from kit.auth import Principal
from kit.clock import now
from kit.problems import not_found, problem
from kit.trace import Cause
from run_service.problems import OTHER_STUDIOS, RUN_NOT_REVERSIBLE
from run_service.runs import store
from run_service.runs.resources import ReversalOrder
from run_service.runs.run import RunStatus
from run_service.runs.settle_runs import settle


async def request_reversal(
    connection: AsyncConnection,
    principal: Principal,
    run_id: UUID,
    order: ReversalOrder,
    cause: Cause,
) -> None:
    """Order that a run be reversed; ordering it again changes nothing, before or after its end.

    A run that is still being published goes on to be published: each member ends right after it
    was handed over. A run whose cases have all ended is cancelled at once.

    Raises the 404 for a run that the caller may not see, the 403 when they may not see all of it,
    the 409 for a run that the partner rejected.
    """
    run = await store.lock_run(connection, principal.tenant_id, run_id)
    if run is None:
        raise not_found()
    studios = await store.load_studios(connection, principal.tenant_id, run_id)
    seen = [principal.may_see(studio.studio_id) for studio in studios]
    if not any(seen):
        raise not_found()
    if not all(seen):
        raise problem(OTHER_STUDIOS)
    if run.reversal_requested_at is not None:
        return
    if run.status is RunStatus.REJECTED:
        raise problem(RUN_NOT_REVERSIBLE)
    time = now()
    await store.change_run(
        connection,
        run,
        reversal_requested_at=time,
        reversal_requested_by=principal.subject,
        reversal_reason=order.reason,
        reversal_correlation_id=cause.correlation_id,
        reversal_traceparent=cause.traceparent,
    )
    requested = RunReversalRequestedV1(
        run_id=run_id,
        booking_number=run.booking_number,
        partner_id=run.partner_id,
        reason=order.reason,
        requested_by=principal.subject,
        requested_at=time,
    )
    await outbox.publish(connection, [(requested, cause)])
    await settle(connection, replace(run, reversal_requested_at=time, reversal=cause))
