"""HTTP: money that no claim could take, for staff to settle."""

from uuid import UUID

from fastapi import APIRouter

from case_service.edge import Reader
from case_service.payments import queries
from case_service.payments.queries import WantedUnallocated
from case_service.payments.views import UnallocatedPayment
from kit.cursors import Cursor, Limit, Page
from kit.http import CurrentContext

router = APIRouter(prefix="/v1/unallocated")


@router.get("")
async def list_unallocated(
    context: CurrentContext,
    principal: Reader,
    partner_id: UUID | None = None,
    studio_id: UUID | None = None,
    member_id: UUID | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[UnallocatedPayment]:
    """Payments of which a part belongs to no claim, oldest first."""
    wanted = WantedUnallocated(partner_id, studio_id, member_id)
    async with context.database.connect() as connection:
        return await queries.list_unallocated(connection, principal, wanted, limit, cursor)
