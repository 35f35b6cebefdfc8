"""HTTP: candidates at a glance."""

from typing import Annotated

from fastapi import APIRouter

from kit.auth import Principal, requires
from kit.http import CurrentContext
from run_service.candidates import queries
from run_service.candidates.selection import scope_of
from run_service.resources import CandidatesSummary

router = APIRouter(prefix="/v1/candidates", tags=["candidates"])


@router.get("/summary")
async def get_candidates_summary(
    context: CurrentContext, principal: Annotated[Principal, requires("collection:read")]
) -> CandidatesSummary:
    """Tell how many members can be handed over now, and what they owe."""
    async with context.database.connect() as connection:
        scope = await scope_of(connection, principal, context.settings.time_zone)
        return await queries.summary(connection, scope)
