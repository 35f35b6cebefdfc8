"""What the API reads of imports."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit import cursors
from kit.cursors import Page
from kit.problems import not_found
from run_service.imports.kinds import Status
from run_service.imports.resources import Import, ImportedFile, ImportedRowError

_IMPORT: Final = text(
    "SELECT * FROM imports WHERE tenant_id = :tenant_id AND import_id = :import_id"
)
_FILES: Final = text(
    """
    SELECT * FROM import_files WHERE tenant_id = :tenant_id AND import_id = :import_id
    ORDER BY array_position(ARRAY['studios', 'members', 'claims'], kind)
    """
)
_FAULTS: Final = text(
    """
    SELECT * FROM (
        SELECT *, array_position(ARRAY['studios', 'members', 'claims'], kind) AS place
        FROM import_faults WHERE tenant_id = :tenant_id AND import_id = :import_id
    ) AS placed
    WHERE (place, row, number) > (:place, :row, :number)
    ORDER BY place, row, number LIMIT :limit
    """
)


async def import_(connection: AsyncConnection, tenant_id: UUID, import_id: UUID) -> Import:
    """Return an import; raises the 404 when the tenant has no such import."""
    key = {"tenant_id": tenant_id, "import_id": import_id}
    head = (await connection.execute(_IMPORT, key)).one_or_none()
    if head is None:
        raise not_found()
    files = (await connection.execute(_FILES, key)).all()
    return Import(
        import_id=import_id,
        status=head.status,
        progress=_progress(Status(head.status), files),
        files=tuple(
            ImportedFile(
                file=file.kind,
                size=file.size,
                rows=file.good + file.bad,
                good=file.good,
                bad=file.bad,
                unchanged=file.unchanged,
                published=file.published,
            )
            for file in files
        ),
        errors=head.fault_count,
        created_at=head.created_at,
        created_by=head.created_by,
        expires_at=head.expires_at,
        published_at=head.published_at,
    )


async def import_errors(
    connection: AsyncConnection,
    tenant_id: UUID,
    import_id: UUID,
    *,
    limit: int,
    cursor: str | None,
) -> Page[ImportedRowError]:
    """Return what is wrong, by file and row; raises the 404 when the tenant has no such import."""
    key = {"tenant_id": tenant_id, "import_id": import_id}
    if (await connection.execute(_IMPORT, key)).one_or_none() is None:
        raise not_found()
    place, row, number = (
        cursors.decode(cursor, [cursors.Place] * 3) if cursor is not None else (0, 0, 0)
    )
    after = {"place": place, "row": row, "number": number}
    rows = (await connection.execute(_FAULTS, {**key, **after, "limit": limit + 1})).all()
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        items=[
            ImportedRowError(
                file=each.kind, row=each.row, column=each.heading, message=each.message
            )
            for each in rows[:limit]
        ],
        next=cursors.encode([last.place, last.row, last.number]) if last else None,
    )


def _progress(status: Status, files: Sequence[Row[Any]]) -> int:
    """Return how much is done, in percent; 100 only when all is."""
    match status:
        case Status.CHECKING:
            done, all_ = sum(file.checked for file in files), sum(file.size for file in files)
        case Status.PUBLISHING:
            done = sum(file.last_row_done for file in files)
            all_ = sum(file.next_row for file in files)
        case _:
            return 100
    return int(min(100 * done // max(all_, 1), 99))
