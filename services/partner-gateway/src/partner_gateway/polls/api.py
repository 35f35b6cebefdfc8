"""HTTP in: how a partner is asked that does not call back."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal, requires
from kit.clock import now
from kit.http import CurrentContext
from kit.problems import define, not_found, problem
from partner_gateway.partners.queries import find_partner
from partner_gateway.polls import store
from partner_gateway.polls.ask_partners import WORKER
from partner_gateway.polls.queries import PollView, find_poll

router = APIRouter(prefix="/v1/partners", tags=["polls"])

Administrator = Annotated[Principal, requires("partner:admin")]

NOT_POLLED = define(
    "partner-not-polled",
    409,
    "The partner is not asked",
    "Only a partner whose API does not call back is asked.",
)


@router.get("/{partner_id}/poll")
async def get_poll(context: CurrentContext, principal: Administrator, partner_id: UUID) -> PollView:
    """Show when a partner was asked for what is new, and when it is asked next."""
    async with context.database.connect() as connection:
        return await _poll(connection, principal.tenant_id, partner_id)


@router.post("/{partner_id}/poll", status_code=202)
async def post_poll(
    context: CurrentContext, principal: Administrator, partner_id: UUID
) -> PollView:
    """Ask a partner now, and not only when its time has come."""
    async with context.database.begin() as connection:
        await store.ask_now(connection, principal.tenant_id, partner_id, now())
        poll = await _poll(connection, principal.tenant_id, partner_id)
    context.wake(WORKER)
    return poll


async def _poll(connection: AsyncConnection, tenant_id: UUID, partner_id: UUID) -> PollView:
    """Return how a partner is asked; raises the 404, and the 409 for one that is not asked."""
    if await find_partner(connection, tenant_id, partner_id) is None:
        raise not_found()
    poll = await find_poll(connection, tenant_id, partner_id)
    if poll is None:
        raise problem(NOT_POLLED)
    return poll
