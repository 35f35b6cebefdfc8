"""HTTP: what the last audit found."""

from fastapi import APIRouter

from case_service.audit.store import last_audit
from case_service.audit.views import AuditResult
from case_service.edge import Reader
from kit.http import CurrentContext
from kit.problems import not_found

router = APIRouter(prefix="/v1")


@router.get("/audit")
async def get_audit(context: CurrentContext, principal: Reader) -> AuditResult:
    """What the last finished audit found in the cases that the caller may see; 404 before one."""
    async with context.database.connect() as connection:
        result = await last_audit(connection, principal)
    if result is None:
        raise not_found()
    return result
