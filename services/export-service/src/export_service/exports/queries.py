"""Reads of exports. Each asks for the caller's tenant and studios."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, case, func, literal_column, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports.export import ExportKind, Status
from export_service.exports.missing import MISSING
from export_service.exports.store import exports
from export_service.read_in_order import read_in_order
from kit.auth import Principal
from kit.problems import not_found


def visible_studios(principal: Principal) -> list[UUID] | None:
    """The studios that the caller may see; None for all."""
    return None if principal.studio_ids is None else sorted(principal.studio_ids)


async def find_export(
    connection: AsyncConnection, principal: Principal, export_id: UUID
) -> Row[Any]:
    """One export, with what is `current_…` of it; raises the 404 if the caller does not see it."""
    found = await connection.execute(
        select(exports, *_current()).where(exports.c.export_id == export_id, *_visible(principal))
    )
    row = found.one_or_none()
    if row is None:
        raise not_found()
    return row


async def list_exports(
    connection: AsyncConnection,
    principal: Principal,
    *,
    run_id: UUID | None,
    kind: ExportKind | None,
    status: Status | None,
    created_by: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Exports, newest first, those before a position in that order."""
    conditions = _visible(principal)
    if run_id is not None:
        conditions.append(exports.c.run_id == run_id)
    if kind is not None:
        conditions.append(exports.c.kind == kind)
    if status is not None:
        conditions.append(_current_status() == status)
    if created_by is not None:
        conditions.append(exports.c.created_by == created_by)
    if before is not None:
        conditions.append(tuple_(exports.c.created_at, exports.c.export_id) < tuple_(*before))
    await read_in_order(connection)
    found = await connection.execute(
        select(exports, *_current())
        .where(*conditions)
        .order_by(exports.c.created_at.desc(), exports.c.export_id.desc())
        .limit(limit)
    )
    return found.all()


def _visible(principal: Principal) -> list[ColumnElement[bool]]:
    """Who sees some studios only sees no export that holds rows of others."""
    own = exports.c.tenant_id == principal.tenant_id
    studio_ids = visible_studios(principal)
    if studio_ids is None:
        return [own]
    return [own, exports.c.studio_ids.is_not(None), exports.c.studio_ids.contained_by(studio_ids)]


def _current() -> Sequence[ColumnElement[Any]]:
    """What is not kept of an export, for it changes by itself."""
    missing = case(
        (exports.c.status == Status.WAITING, literal_column(MISSING)),
        else_=exports.c.members_missing,
    )
    return _current_status().label("current_status"), missing.label("currently_missing")


def _current_status() -> ColumnElement[str]:
    """COMPLETED turns into EXPIRED."""
    is_over = and_(exports.c.status == Status.COMPLETED, exports.c.expires_at <= func.now())
    return case((is_over, Status.EXPIRED.value), else_=exports.c.status)
