"""HTTP in: how the requests to a partner fare."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from kit.auth import Principal, requires
from kit.cursors import Cursor, Limit, Page, decode, encode
from kit.http import CurrentContext
from kit.problems import not_found
from partner_gateway.deliveries import queries
from partner_gateway.deliveries.queries import DeliveryView, Status
from partner_gateway.partners.queries import find_partner

router = APIRouter(prefix="/v1/partners", tags=["deliveries"])

Administrator = Annotated[Principal, requires("partner:admin")]


@router.get("/{partner_id}/deliveries")
async def get_deliveries(
    context: CurrentContext,
    principal: Administrator,
    partner_id: UUID,
    status: Status | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[DeliveryView]:
    """List the requests to a partner, newest first."""
    before = None if cursor is None else decode(cursor, (UUID,))[0]
    async with context.database.connect() as connection:
        if await find_partner(connection, principal.tenant_id, partner_id) is None:
            raise not_found()
        found = await queries.list_deliveries(
            connection,
            principal.tenant_id,
            partner_id,
            status=status,
            before=before,
            limit=limit + 1,
        )
    items = list(found[:limit])
    return Page(items=items, next=encode([items[-1].request_id]) if len(found) > limit else None)
