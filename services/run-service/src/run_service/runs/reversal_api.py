"""HTTP: the reversal of a run."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal, requires
from kit.http import CurrentContext, cause_of
from kit.idempotency import once
from run_service.runs import queries
from run_service.runs.request_reversal import request_reversal
from run_service.runs.resources import ReversalOrder, ReversalOutlook, RunDetails
from run_service.runs.reversal_queries import reversal_outlook

router = APIRouter(prefix="/v1/runs/{run_id}/reversal", tags=["runs"])


@router.get("")
async def get_reversal(
    context: CurrentContext,
    principal: Annotated[Principal, requires("collection:read")],
    run_id: UUID,
) -> ReversalOutlook:
    """Tell what reversing a run does, how far it is, and what who orders it must know."""
    async with context.database.connect() as connection:
        return await reversal_outlook(connection, principal, run_id)


@router.post("", status_code=202, response_model=RunDetails)
async def post_reversal(
    context: CurrentContext,
    principal: Annotated[Principal, requires("collection:manage")],
    request: Request,
    run_id: UUID,
    order: ReversalOrder,
) -> Response:
    """Reverse a run: each case that has not ended is closed in the status it has.

    Ordering it again, in whatever way, changes nothing.
    """
    cause = cause_of(request, principal)

    async def make(connection: AsyncConnection) -> RunDetails:
        await request_reversal(connection, principal, run_id, order, cause)
        return await queries.run(connection, principal, run_id)

    return await once(context, principal, request, order, make, status=202)
