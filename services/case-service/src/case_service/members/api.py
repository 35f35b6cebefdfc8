"""HTTP: everyone ever handed over."""

from fastapi import APIRouter

from case_service.cases.selection import GivenFilters
from case_service.edge import Reader
from case_service.members import queries
from case_service.members.views import MemberInCollection
from kit.cursors import Cursor, Limit, Page
from kit.http import CurrentContext

router = APIRouter(prefix="/v1/members")


@router.get("")
async def list_members(
    context: CurrentContext,
    principal: Reader,
    wanted: GivenFilters,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[MemberInCollection]:
    """Everyone ever handed over, with all their cases; the newest handover comes first.

    Filters ask for members who have a case to which all of them apply.
    """
    async with context.database.connect() as connection:
        return await queries.list_members(connection, principal, wanted, limit, cursor)
