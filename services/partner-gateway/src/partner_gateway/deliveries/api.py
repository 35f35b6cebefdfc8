"""HTTP in: how the requests to a partner fare, and trying one again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal, requires
from kit.cursors import Cursor, Limit, Page, decode, encode
from kit.http import CurrentContext
from kit.problems import not_found
from partner_gateway.deliveries import queries
from partner_gateway.deliveries.deliver import WORKER
from partner_gateway.deliveries.queries import (
    DeliveriesSummary,
    DeliveryDetails,
    DeliveryView,
    Kind,
    Status,
)
from partner_gateway.deliveries.retry_delivery import retry_delivery
from partner_gateway.partners.queries import find_partner

_ADMINISTRATOR = "partner:admin"

router = APIRouter(prefix="/v1/partners/{partner_id}/deliveries", tags=["deliveries"])

Administrator = Annotated[Principal, requires(_ADMINISTRATOR)]
Reader = Annotated[Principal, requires(_ADMINISTRATOR, "collection:read")]


@router.get("")
async def get_deliveries(
    context: CurrentContext,
    principal: Reader,
    partner_id: UUID,
    status: Status | None = None,
    kind: Kind | None = None,
    run_id: UUID | None = None,
    failing: Annotated[
        bool | None, Query(description="whether the last try failed, or it was stopped")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[DeliveryView]:
    """List the requests to a partner, newest first.

    They hold cases of all studios: who is to see only some studios does not find them, here and
    below, except as an administrator of partners.
    """
    before = None if cursor is None else decode(cursor, (UUID,))[0]
    async with context.database.connect() as connection:
        await _check(connection, principal, partner_id)
        found = await queries.list_deliveries(
            connection,
            principal.tenant_id,
            partner_id,
            status=status,
            kind=kind,
            run_id=run_id,
            failing=failing,
            before=before,
            limit=limit + 1,
        )
    items = list(found[:limit])
    return Page(items=items, next=encode([items[-1].request_id]) if len(found) > limit else None)


@router.get("/summary")
async def get_deliveries_summary(
    context: CurrentContext, principal: Reader, partner_id: UUID
) -> DeliveriesSummary:
    """Show how the requests to a partner fare in all, and whether it answers."""
    async with context.database.connect() as connection:
        await _check(connection, principal, partner_id)
        return await queries.summarize_deliveries(connection, principal.tenant_id, partner_id)


@router.get("/{request_id}")
async def get_delivery(
    context: CurrentContext, principal: Reader, partner_id: UUID, request_id: UUID
) -> DeliveryDetails:
    """Show a request to a partner with its tries."""
    async with context.database.connect() as connection:
        await _check(connection, principal, partner_id)
        return await _view(connection, principal, partner_id, request_id)


@router.post("/{request_id}/retry")
async def post_delivery_retry(
    context: CurrentContext, principal: Administrator, partner_id: UUID, request_id: UUID
) -> DeliveryDetails:
    """Try a request again now, also one that was stopped: under the same id, with the same body.

    If cases of a stopped handover have ended since, the others go out in a new request: the answer
    shows it, with its own id. Needs no Idempotency-Key: repeated, it is one more try, which does
    not act twice at the partner.
    """
    async with context.database.begin() as connection:
        sent = await retry_delivery(
            connection, principal.tenant_id, partner_id, request_id, principal.subject
        )
        view = await _view(connection, principal, partner_id, sent)
    context.wake(WORKER)
    return view


async def _check(connection: AsyncConnection, principal: Principal, partner_id: UUID) -> None:
    """Raise the 404 unless the caller may see what goes to the partner."""
    sees_all = principal.studio_ids is None or _ADMINISTRATOR in principal.roles
    if not sees_all or await find_partner(connection, principal.tenant_id, partner_id) is None:
        raise not_found()


async def _view(
    connection: AsyncConnection, principal: Principal, partner_id: UUID, request_id: UUID
) -> DeliveryDetails:
    view = await queries.find_delivery(connection, principal.tenant_id, partner_id, request_id)
    if view is None:
        raise not_found()
    return view
