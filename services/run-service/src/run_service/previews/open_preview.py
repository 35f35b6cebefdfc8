"""Find a preview that something can still be done with."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal
from kit.clock import now
from kit.problems import not_found, problem
from run_service.previews.store import Preview, find_preview
from run_service.problems import PREVIEW_EXPIRED, PREVIEW_USED


async def readable_preview(
    connection: AsyncConnection, principal: Principal, preview_id: UUID, *, lock: bool = False
) -> Preview:
    """Return a preview that the caller may see whole, used or not.

    Raises the 404 for any other, the 410 when it has expired.
    """
    preview = await find_preview(connection, principal.tenant_id, preview_id, lock=lock)
    if preview is None or not _may_see_all(principal, preview):
        raise not_found()
    if preview.expires_at <= now():
        raise problem(PREVIEW_EXPIRED)
    return preview


async def open_preview(
    connection: AsyncConnection, principal: Principal, preview_id: UUID
) -> Preview:
    """Return a preview, locked, that no run was made of yet.

    Raises what `readable_preview` raises, and the 409 when a run was made of it.
    """
    preview = await readable_preview(connection, principal, preview_id, lock=True)
    if preview.run_id is not None:
        raise problem(PREVIEW_USED, extensions={"run_id": preview.run_id})
    return preview


def _may_see_all(principal: Principal, preview: Preview) -> bool:
    if preview.studio_ids is None:
        return principal.studio_ids is None
    return all(principal.may_see(studio_id) for studio_id in preview.studio_ids)
