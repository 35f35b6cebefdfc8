"""Imports, their files and rows: what is saved, and found again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row as DatabaseRow
from sqlalchemy import TextClause, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from kit.trace import Cause
from run_service.imports import tables
from run_service.imports.headings import Fault
from run_service.imports.kinds import Kind, Status
from run_service.imports.rows import Row

MOST_FAULTS: Final = 10_000
"""Faults that are kept of an import; the others are only counted."""

PIECE: Final = 256 * 1024
"""Bytes of a piece of a file, the last one apart."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of an import, and how far it is."""

    kind: Kind
    size: int
    encoding: str
    separator: str | None
    headings: list[str] | None
    checked: int
    next_row: int
    good: int
    bad: int
    published: int
    last_row_done: int


@dataclass(slots=True)
class LockedImport:
    """An import that nobody else changes until the transaction ends."""

    tenant_id: UUID
    import_id: UUID
    status: Status
    fault_count: int
    correlation_id: str | None
    traceparent: str | None
    files: list[StoredFile] = field(default_factory=list)

    @property
    def key(self) -> dict[str, Any]:
        """What names the import in a statement."""
        return {"tenant_id": self.tenant_id, "import_id": self.import_id}

    @property
    def cause(self) -> Cause:
        """What its events stem from: the request to publish it."""
        assert self.correlation_id is not None, "it was noted with the order to publish"
        return Cause(self.tenant_id, self.correlation_id, self.traceparent)


_LOCK = text(
    "SELECT * FROM imports WHERE tenant_id = :tenant_id AND import_id = :import_id"
    " FOR NO KEY UPDATE"
)
# The one that has waited longest first: a small import does not wait for a large one to end.
_LOCK_TO_DO = text(
    """
    SELECT * FROM imports WHERE status IN ('CHECKING', 'PUBLISHING') AND status = :status
    ORDER BY worked_on_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    """
)
_LOCK_EXPIRED = text(
    """
    SELECT * FROM imports WHERE NOT emptied AND expires_at <= :now AND status <> 'PUBLISHING'
    ORDER BY expires_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    """
)
_PIECES = text(
    """
    SELECT content FROM import_pieces
    WHERE tenant_id = :tenant_id AND import_id = :import_id AND kind = :kind
      AND number BETWEEN :first AND :last
    ORDER BY number
    """
)
_ADD_ROWS = text(
    """
    INSERT INTO import_rows (tenant_id, import_id, kind, row, number, thing_id, studio_number,
                             studio_id, member_number, member_id, snapshot, content_hash)
    SELECT :tenant_id, :import_id, :kind, new.*
    FROM unnest(CAST(:rows AS integer[]), CAST(:numbers AS text[]), CAST(:thing_ids AS uuid[]),
                CAST(:studio_numbers AS text[]), CAST(:studio_ids AS uuid[]),
                CAST(:member_numbers AS text[]), CAST(:member_ids AS uuid[]),
                CAST(:snapshots AS text[]), CAST(:content_hashes AS bytea[])) AS new
    """
)
_ADD_FAULTS = text(
    """
    INSERT INTO import_faults (tenant_id, import_id, number, kind, row, heading, message)
    SELECT :tenant_id, :import_id, :known + place, :kind, row, heading, message
    FROM unnest(CAST(:rows AS integer[]), CAST(:headings AS text[]), CAST(:messages AS text[]))
         WITH ORDINALITY AS new (row, heading, message, place)
    """
)


async def insert_import(
    connection: AsyncConnection,
    *,
    tenant_id: UUID,
    import_id: UUID,
    created_at: datetime,
    created_by: str,
    expires_at: datetime,
) -> None:
    """Add an import that is to be checked."""
    await connection.execute(
        insert(tables.imports).values(
            tenant_id=tenant_id,
            import_id=import_id,
            status=Status.CHECKING,
            created_at=created_at,
            created_by=created_by,
            expires_at=expires_at,
            worked_on_at=created_at,
        )
    )


async def insert_file(
    connection: AsyncConnection,
    tenant_id: UUID,
    import_id: UUID,
    kind: Kind,
    *,
    size: int,
    encoding: str,
) -> None:
    """Add a file of an import; its pieces follow."""
    await connection.execute(
        insert(tables.import_files).values(
            tenant_id=tenant_id, import_id=import_id, kind=kind, size=size, encoding=encoding
        )
    )


async def insert_piece(
    connection: AsyncConnection,
    tenant_id: UUID,
    import_id: UUID,
    kind: Kind,
    number: int,
    content: bytes,
) -> None:
    """Add a piece of a file."""
    await connection.execute(
        insert(tables.import_pieces).values(
            tenant_id=tenant_id, import_id=import_id, kind=kind, number=number, content=content
        )
    )


async def lock_import(
    connection: AsyncConnection, tenant_id: UUID, import_id: UUID
) -> LockedImport | None:
    """Return an import of the tenant, locked."""
    return await _lock(connection, _LOCK, tenant_id=tenant_id, import_id=import_id)


async def lock_import_to_do(connection: AsyncConnection, status: Status) -> LockedImport | None:
    """Return an import that has more to be done in a status and that no other instance has."""
    return await _lock(connection, _LOCK_TO_DO, status=status)


async def lock_expired_import(connection: AsyncConnection) -> LockedImport | None:
    """Return an import whose time is over, and of which something is still kept."""
    return await _lock(connection, _LOCK_EXPIRED, now=now())


async def change_import(connection: AsyncConnection, import_: LockedImport, **values: Any) -> None:
    """Change a locked import; notes that it was worked on, and how many faults it has."""
    table = tables.imports
    await connection.execute(
        update(table)
        .where(*_of(table, import_))
        .values(worked_on_at=now(), fault_count=import_.fault_count, **values)
    )


async def postpone(connection: AsyncConnection, import_: LockedImport) -> None:
    """Let all others go first that wait in the same status."""
    table = tables.imports
    await connection.execute(update(table).where(*_of(table, import_)).values(worked_on_at=now()))


async def change_file(
    connection: AsyncConnection, import_: LockedImport, kind: Kind, **values: Any
) -> None:
    """Change a file of a locked import."""
    table = tables.import_files
    await connection.execute(
        update(table).where(*_of(table, import_), table.c.kind == kind).values(**values)
    )


async def count_unchanged(connection: AsyncConnection, import_: LockedImport) -> None:
    """Count what was not published of an import that is through as unchanged."""
    table = tables.import_files
    await connection.execute(
        update(table).where(*_of(table, import_)).values(unchanged=table.c.good - table.c.published)
    )


async def read_content(
    connection: AsyncConnection, import_: LockedImport, kind: Kind, start: int, size: int
) -> bytes:
    """Return so many bytes of a file from `start` on; less at its end."""
    first, last = start // PIECE, (start + size - 1) // PIECE
    pieces = await connection.scalars(
        _PIECES, {**import_.key, "kind": kind, "first": first, "last": last}
    )
    offset = start - first * PIECE
    return b"".join(pieces)[offset : offset + size]


async def add_rows(
    connection: AsyncConnection, import_: LockedImport, kind: Kind, rows: Sequence[Row]
) -> None:
    """Add rows of a file that were checked."""
    owner = Kind.STUDIOS if kind is not Kind.STUDIOS else None
    debtor = Kind.MEMBERS if kind is Kind.CLAIMS else None
    await connection.execute(
        _ADD_ROWS,
        {
            **import_.key,
            "kind": kind,
            "rows": [row.row for row in rows],
            "numbers": [row.name(kind) for row in rows],
            "thing_ids": [row.id(kind) for row in rows],
            "studio_numbers": [row.name(owner) if owner else None for row in rows],
            "studio_ids": [row.id(owner) if owner else None for row in rows],
            "member_numbers": [row.name(debtor) if debtor else None for row in rows],
            "member_ids": [row.id(debtor) if debtor else None for row in rows],
            "snapshots": [row.snapshot for row in rows],
            "content_hashes": [row.content_hash for row in rows],
        },
    )


async def add_faults(
    connection: AsyncConnection,
    import_: LockedImport,
    kind: Kind,
    faults: Sequence[Fault],
    total: int | None = None,
) -> None:
    """Count faults of a file, and add as many as are kept; the count is saved with the import.

    `total` counts them where there are more than are given.
    """
    kept = faults[: max(MOST_FAULTS - import_.fault_count, 0)]
    if kept:
        await connection.execute(
            _ADD_FAULTS,
            {
                **import_.key,
                "known": import_.fault_count,
                "kind": kind,
                "rows": [fault.row for fault in kept],
                "headings": [fault.column for fault in kept],
                "messages": [fault.message for fault in kept],
            },
        )
    import_.fault_count += len(faults) if total is None else total


async def delete_files(connection: AsyncConnection, import_: LockedImport) -> None:
    """Delete the files as they came."""
    await _empty(connection, import_, [tables.import_pieces])


async def delete_content(connection: AsyncConnection, import_: LockedImport) -> None:
    """Delete all that the files held."""
    await _empty(connection, import_, [tables.import_pieces, tables.import_rows])


async def delete_faults(connection: AsyncConnection, import_: LockedImport) -> None:
    """Delete what was found to be wrong."""
    await _empty(connection, import_, [tables.import_faults])


async def _lock(
    connection: AsyncConnection, statement: TextClause, **parameters: Any
) -> LockedImport | None:
    row = (await connection.execute(statement, parameters)).one_or_none()
    if row is None:
        return None
    import_ = LockedImport(
        tenant_id=row.tenant_id,
        import_id=row.import_id,
        status=Status(row.status),
        fault_count=row.fault_count,
        correlation_id=row.correlation_id,
        traceparent=row.traceparent,
    )
    table = tables.import_files
    files = await connection.execute(select(table).where(*_of(table, import_)))
    # Owners before what they own.
    import_.files = sorted(map(_file, files), key=lambda file: list(Kind).index(file.kind))
    return import_


def _file(row: DatabaseRow[Any]) -> StoredFile:
    return StoredFile(
        kind=Kind(row.kind),
        size=row.size,
        encoding=row.encoding,
        separator=row.separator,
        headings=row.headings,
        checked=row.checked,
        next_row=row.next_row,
        good=row.good,
        bad=row.bad,
        published=row.published,
        last_row_done=row.last_row_done,
    )


async def _empty(
    connection: AsyncConnection, import_: LockedImport, emptied: Sequence[Any]
) -> None:
    for table in emptied:
        await connection.execute(delete(table).where(*_of(table, import_)))


def _of(table: Any, import_: LockedImport) -> tuple[Any, ...]:
    return table.c.tenant_id == import_.tenant_id, table.c.import_id == import_.import_id
