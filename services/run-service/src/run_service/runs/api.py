"""HTTP: runs."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.parts import Trigger
from kit import clock
from kit.auth import Principal, requires
from kit.cursors import Cursor, Limit, Page
from kit.http import CurrentContext, Day, cause_of
from kit.idempotency import once
from kit.problems import unprocessable
from run_service.runs import queries
from run_service.runs.create_run import create_run
from run_service.runs.publish_handovers import PUBLISH_HANDOVERS
from run_service.runs.queries import Wanted
from run_service.runs.resources import Run, RunDetails, RunOrder, RunStudio
from run_service.runs.run import RunStatus, three_months_before
from run_service.tenant_settings.tenant_settings import find_tenant_settings

router = APIRouter(prefix="/v1/runs", tags=["runs"])

Reader = Annotated[Principal, requires("collection:read")]
Manager = Annotated[Principal, requires("collection:manage")]


@router.post("", status_code=201, response_model=RunDetails)
async def post_run(
    context: CurrentContext, principal: Manager, request: Request, order: RunOrder
) -> Response:
    """Make a run of a preview; its members are handed over after the answer."""
    cause = cause_of(request, principal)

    async def make(connection: AsyncConnection) -> RunDetails:
        run_id = await create_run(connection, principal, order, context.settings.time_zone, cause)
        return await queries.run(connection, principal, run_id)

    response = await once(context, principal, request, order, make)
    context.wake(PUBLISH_HANDOVERS)
    return response


@router.get("")
async def get_runs(
    context: CurrentContext,
    principal: Reader,
    status: RunStatus | None = None,
    trigger: Trigger | None = None,
    partner_id: UUID | None = None,
    studio_id: UUID | None = None,
    first_day: Annotated[Day | None, Query(alias="from")] = None,
    last_day: Annotated[Day | None, Query(alias="to")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Run]:
    """Return the runs of a period (`from` and `to` included), the newest first.

    Without `from` the three months before `to`, or before today. `studio_id` asks for runs that
    hold the studio, whatever else they hold.
    """
    if first_day is not None and last_day is not None and first_day > last_day:
        raise unprocessable("from", "Must not be after `to`")
    async with context.database.connect() as connection:
        settings = await find_tenant_settings(connection, principal.tenant_id)
        today = clock.today(settings.time_zone or context.settings.time_zone)
        wanted = Wanted(
            first_day=first_day or three_months_before(last_day or today),
            last_day=last_day,
            status=status,
            trigger=trigger,
            partner_id=partner_id,
            studio_id=studio_id,
        )
        return await queries.runs(connection, principal, wanted, limit=limit, cursor=cursor)


@router.get("/{run_id}")
async def get_run(context: CurrentContext, principal: Reader, run_id: UUID) -> RunDetails:
    """Return a run."""
    async with context.database.connect() as connection:
        return await queries.run(connection, principal, run_id)


@router.get("/{run_id}/studios")
async def get_run_studios(
    context: CurrentContext,
    principal: Reader,
    run_id: UUID,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[RunStudio]:
    """Return the studios of a run with their counts and sums."""
    async with context.database.connect() as connection:
        return await queries.run_studios(connection, principal, run_id, limit=limit, cursor=cursor)
