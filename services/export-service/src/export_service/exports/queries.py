"""Reads of exports. Each asks for one tenant, and for what the reader may see (None: all)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports.export import Status
from export_service.exports.store import exports
from export_service.runs.queries import StudioIds


async def export(
    connection: AsyncConnection, tenant_id: UUID, export_id: UUID, studio_ids: StudioIds
) -> Row[Any] | None:
    """One export, None if it is not there for this reader."""
    found = await connection.execute(
        select(exports).where(
            exports.c.tenant_id == tenant_id,
            exports.c.export_id == export_id,
            *_visible(studio_ids),
        )
    )
    return found.one_or_none()


async def list_exports(
    connection: AsyncConnection,
    tenant_id: UUID,
    studio_ids: StudioIds,
    *,
    run_id: UUID | None,
    status: Status | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Exports, newest first, those before a position in that order."""
    conditions = [exports.c.tenant_id == tenant_id, *_visible(studio_ids)]
    if run_id is not None:
        conditions.append(exports.c.run_id == run_id)
    if status is not None:
        conditions.append(exports.c.status == status)
    if before is not None:
        conditions.append(tuple_(exports.c.created_at, exports.c.export_id) < tuple_(*before))
    found = await connection.execute(
        select(exports)
        .where(*conditions)
        .order_by(exports.c.created_at.desc(), exports.c.export_id.desc())
        .limit(limit)
    )
    return found.all()


def _visible(studio_ids: StudioIds) -> list[Any]:
    """Who sees some studios only sees no export that holds rows of others."""
    if studio_ids is None:
        return []
    return [and_(exports.c.studio_ids.is_not(None), exports.c.studio_ids.contained_by(studio_ids))]
