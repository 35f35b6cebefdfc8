"""HTTP: candidates at a glance."""

from typing import Annotated

from fastapi import APIRouter

from kit import clock
from kit.auth import Principal, requires
from kit.http import CurrentContext
from run_service.candidates import queries
from run_service.candidates.selection import Scope
from run_service.resources import CandidatesSummary

router = APIRouter(prefix="/v1/candidates", tags=["candidates"])


@router.get("/summary")
async def get_candidates_summary(
    context: CurrentContext, principal: Annotated[Principal, requires("collection:read")]
) -> CandidatesSummary:
    """Tell how many members can be handed over now, and what they owe."""
    today = clock.today(context.settings.time_zone)
    async with context.database.connect() as connection:
        return await queries.summary(
            connection, Scope(principal.tenant_id, today, principal.studio_ids)
        )
