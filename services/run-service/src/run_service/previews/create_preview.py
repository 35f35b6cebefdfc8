"""Freeze the candidates, so that a run hands over exactly what was looked at (R2, R4)."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal
from kit.clock import now
from kit.ids import new_id
from kit.problems import problem, unprocessable
from run_service.candidates.selection import scope_of
from run_service.candidates.store import count_studios, find_partner
from run_service.previews.freeze import freeze
from run_service.previews.resources import PreviewOrder
from run_service.previews.store import Preview, insert_preview
from run_service.problems import PARTNER_PAUSED

KEPT_FOR: Final = timedelta(hours=24)
"""How long a run can be made of a preview."""


async def create_preview(
    connection: AsyncConnection, principal: Principal, order: PreviewOrder, default_time_zone: str
) -> UUID:
    """Freeze today's candidates for a partner, and return the id of the preview.

    Raises the 422 for a partner or studio that is not known, the 409 for a paused partner.
    """
    await check_partner(connection, principal.tenant_id, order.partner_id)
    studio_ids = await _studio_ids(connection, principal, order)
    preview = new_preview(principal, order.partner_id, studio_ids)
    scope = await scope_of(connection, principal, default_time_zone)
    await insert_preview(connection, principal.tenant_id, preview)
    await freeze(connection, preview.preview_id, replace(scope, studio_ids=studio_ids))
    return preview.preview_id


async def check_partner(connection: AsyncConnection, tenant_id: UUID, partner_id: UUID) -> None:
    """Raise the 422 for a partner that is not known, the 409 for a paused one."""
    partner = await find_partner(connection, tenant_id, partner_id)
    if partner is None:
        raise unprocessable("partner_id", "There is no such partner")
    if partner.status == "PAUSED":
        raise problem(PARTNER_PAUSED)


def new_preview(
    principal: Principal, partner_id: UUID, studio_ids: Collection[UUID] | None
) -> Preview:
    """Return the head of a preview that is made now."""
    created_at = now()
    return Preview(
        preview_id=new_id(),
        partner_id=partner_id,
        studio_ids=None if studio_ids is None else sorted(studio_ids),
        created_at=created_at,
        created_by=principal.subject,
        expires_at=created_at + KEPT_FOR,
        run_id=None,
    )


async def _studio_ids(
    connection: AsyncConnection, principal: Principal, order: PreviewOrder
) -> Collection[UUID] | None:
    """Return the studios that were asked for, or all that the caller may see; None means all."""
    if order.studio_ids is None:
        return principal.studio_ids
    wanted = frozenset(order.studio_ids)
    known = await count_studios(connection, principal.tenant_id, wanted)
    if known < len(wanted) or not all(principal.may_see(studio_id) for studio_id in wanted):
        raise unprocessable("studio_ids", "One of the studios does not exist")
    return wanted
