"""HTTP: the members of a run."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from kit.auth import Principal, requires
from kit.cursors import Cursor, Limit, Page
from kit.http import CurrentContext
from run_service.candidates.search_text import MAX_QUERY
from run_service.runs import member_queries
from run_service.runs.member_queries import WantedMembers
from run_service.runs.resources import RunMember, RunMemberDetails
from run_service.runs.run import CaseStatus

router = APIRouter(prefix="/v1/runs/{run_id}/members", tags=["runs"])

Reader = Annotated[Principal, requires("collection:read")]


@router.get("")
async def get_run_members(
    context: CurrentContext,
    principal: Reader,
    run_id: UUID,
    search: Annotated[str | None, Query(max_length=MAX_QUERY)] = None,
    case_status: CaseStatus | None = None,
    studio_id: UUID | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[RunMember]:
    """Return the members of a run, by booking number.

    `search` finds members whose name and membership number hold each of its words; accents and
    case do not matter.
    """
    wanted = WantedMembers(search=search, case_status=case_status, studio_id=studio_id)
    async with context.database.connect() as connection:
        return await member_queries.run_members(
            connection, principal, run_id, wanted, limit=limit, cursor=cursor
        )


@router.get("/{member_id}")
async def get_run_member(
    context: CurrentContext, principal: Reader, run_id: UUID, member_id: UUID
) -> RunMemberDetails:
    """Return a member of a run with its claims."""
    async with context.database.connect() as connection:
        return await member_queries.run_member(connection, principal, run_id, member_id)
