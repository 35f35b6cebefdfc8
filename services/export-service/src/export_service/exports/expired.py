"""Exports whose files are to be deleted, and the SQL that says what has become of these."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Text, cast, func, text
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports.export import stored_name
from export_service.exports.store import exports, layout_of

AGAIN_AFTER: Final = timedelta(minutes=30)
"""How long a file that could not be deleted is left alone: meanwhile others are."""

_TAKE_EXPIRED = text(
    """
    SELECT * FROM exports
    WHERE delete_file_at <= now() AND file_deleted_at IS NULL
      AND coalesce(deletion_failed_at < now() - CAST(:again_after AS interval), true)
    ORDER BY delete_file_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
    """
)


async def take_expired_exports(connection: AsyncConnection, limit: int) -> dict[UUID, list[str]]:
    """Locks exports whose files are to go, those that failed or were cancelled among them.

    Returns the names that the files of their attempts have or had in storage.
    """
    taken = await connection.execute(_TAKE_EXPIRED, {"again_after": AGAIN_AFTER, "limit": limit})
    return {
        row.export_id: [
            stored_name(row.export_id, attempt, layout_of(row))
            for attempt in range(1, row.attempt + 1)
        ]
        for row in taken
    }


async def note_deleted(connection: AsyncConnection, export_ids: Collection[UUID]) -> None:
    """Notes that locked exports have no files any more; who was searched for is forgotten."""
    await connection.execute(
        exports.update()
        .where(exports.c.export_id.in_(export_ids))
        .values(
            file_deleted_at=func.now(),
            # What was searched for may be somebody's name.
            filters=exports.c.filters.op("-")(cast("search", Text)),
        )
    )


async def note_not_deleted(connection: AsyncConnection, export_ids: Collection[UUID]) -> None:
    """Notes that something of the files of locked exports could not be deleted."""
    await connection.execute(
        exports.update()
        .where(exports.c.export_id.in_(export_ids))
        .values(deletion_failed_at=func.now())
    )
