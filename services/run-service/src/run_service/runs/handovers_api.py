"""HTTP: one member alone."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal, requires
from kit.http import CurrentContext, cause_of
from kit.idempotency import once
from run_service.runs import queries
from run_service.runs.hand_over_member import hand_over_member
from run_service.runs.publish_handovers import PUBLISH_HANDOVERS
from run_service.runs.resources import HandoverOrder, RunDetails

router = APIRouter(prefix="/v1/handovers", tags=["handovers"])


@router.post("", status_code=201, response_model=RunDetails)
async def post_handover(
    context: CurrentContext,
    principal: Annotated[Principal, requires("collection:manage")],
    request: Request,
    order: HandoverOrder,
) -> Response:
    """Hand one member over, from any dunning level; it is a run of its own."""
    cause = cause_of(request, principal)

    async def make(connection: AsyncConnection) -> RunDetails:
        run_id = await hand_over_member(
            connection, principal, order, context.settings.time_zone, cause
        )
        return await queries.run(connection, principal, run_id)

    response = await once(context, principal, request, order, make)
    context.wake(PUBLISH_HANDOVERS)
    return response
