"""Take files back that nobody has published: what they hold is deleted soon after."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from kit.problems import not_found, problem
from run_service.imports import store
from run_service.imports.kinds import Status
from run_service.imports.problems import IMPORT_UNDER_WAY


async def withdraw_import(connection: AsyncConnection, tenant_id: UUID, import_id: UUID) -> None:
    """Let an import expire at once; doing it again changes nothing.

    Raises the 404 when the tenant has no such import, the 409 when it was ordered to be published.
    """
    import_ = await store.lock_import(connection, tenant_id, import_id)
    if import_ is None:
        raise not_found()
    if import_.status in (Status.PUBLISHING, Status.PUBLISHED):
        raise problem(IMPORT_UNDER_WAY)
    if import_.status is not Status.DISCARDED:
        await store.change_import(connection, import_, status=Status.DISCARDED, expires_at=now())
