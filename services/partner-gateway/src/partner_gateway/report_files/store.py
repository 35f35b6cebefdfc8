"""All SQL that stores report files, and takes them up for work."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.trace import Cause
from partner_gateway.adapters import Api
from partner_gateway.report_files.kinds import Status
from partner_gateway.report_files.report_file import ReportFile
from partner_gateway.report_files.report_format import ReportFormat

_SET_FORMAT = text(
    """
    INSERT INTO report_formats (tenant_id, partner_id, format, changed_at, changed_by)
    VALUES (:tenant_id, :partner_id, CAST(:format AS jsonb), :now, :changed_by)
    ON CONFLICT (tenant_id, partner_id) DO UPDATE
    SET format = excluded.format, changed_at = excluded.changed_at,
        changed_by = excluded.changed_by
    """
)
# Two requests with the same file: the later one waits for the first here, and then adds nothing.
_INSERT = text(
    """
    INSERT INTO report_files (report_file_id, tenant_id, partner_id, status, sha256, size, format,
                              created_at, created_by, expires_at, worked_on_until)
    SELECT :report_file_id, :tenant_id, :partner_id, 'RECEIVED', :sha256, :size,
           (SELECT format FROM report_formats
            WHERE tenant_id = :tenant_id AND partner_id = :partner_id),
           :now, :created_by, :expires_at, :now
    ON CONFLICT (tenant_id, partner_id, sha256)
        WHERE status IN ('RECEIVED', 'CHECKING', 'CHECKED', 'APPLYING') DO NOTHING
    """
)
# What was applied but for bad rows is worth another try: their cases may be known by now.
_SAME = text(
    """
    SELECT report_file_id FROM report_files
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND sha256 = :sha256
      AND (status IN ('RECEIVED', 'CHECKING', 'CHECKED', 'APPLYING')
           OR status = 'APPLIED' AND bad = 0)
    ORDER BY report_file_id DESC
    LIMIT 1
    """
)
_INSERT_PIECE = text(
    """
    INSERT INTO report_file_pieces (tenant_id, report_file_id, number, content)
    VALUES (:tenant_id, :report_file_id, :number, :content)
    """
)
_PIECE = text(
    """
    SELECT content FROM report_file_pieces
    WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id AND number = :number
    """
)
_FILE = """
    SELECT report_files.tenant_id, report_file_id, report_files.partner_id, report_files.status,
           report_files.format, CASE WHEN partners.channel = 'API' THEN partners.api END AS api,
           bad, last_row_read, last_row_applied, correlation_id, traceparent
    FROM report_files
    JOIN partners ON partners.tenant_id = report_files.tenant_id
                 AND partners.partner_id = report_files.partner_id
"""
_LOCK = text(
    f"""
    {_FILE}
    WHERE report_files.tenant_id = :tenant_id AND report_file_id = :report_file_id
    FOR NO KEY UPDATE OF report_files
    """
)
# Who has waited longest comes first: a large file, or one on which work fails, holds no other up.
_LOCK_TO_DO = f"""
    {_FILE}
    WHERE report_files.status IN ({{statuses}}) AND worked_on_until <= :now
    ORDER BY worked_on_until
    LIMIT 1
    FOR NO KEY UPDATE OF report_files SKIP LOCKED
"""
_LOCK_TO_CHECK = text(_LOCK_TO_DO.format(statuses="'RECEIVED', 'CHECKING'"))
_LOCK_TO_APPLY = text(_LOCK_TO_DO.format(statuses="'APPLYING'"))
_LOCK_EXPIRED = text(
    f"""
    {_FILE}
    WHERE NOT emptied AND expires_at <= :now AND report_files.status <> 'APPLYING'
    ORDER BY expires_at
    LIMIT 1
    FOR NO KEY UPDATE OF report_files SKIP LOCKED
    """
)
_TAKE = text(
    """
    UPDATE report_files
    SET status = CASE status WHEN 'RECEIVED' THEN 'CHECKING' ELSE status END,
        worked_on_until = :until
    WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id
    """
)
# The number of the last row is what tells whether somebody else has gone on with the file.
_READ_ON = text(
    """
    UPDATE report_files
    SET rows_expected = :rows_expected, last_row_read = :last_row, bad = bad + :bad,
        worked_on_until = :until
    WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id AND status = 'CHECKING'
      AND last_row_read = :after_row
    """
)
_REFUSE = text(
    """
    UPDATE report_files SET status = 'REFUSED', reason = :reason, bad = 0
    WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id AND status = 'CHECKING'
    """
)
_ORDER = text(
    """
    UPDATE report_files
    SET status = 'APPLYING', worked_on_until = :now, correlation_id = :correlation_id,
        traceparent = :traceparent
    WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id
    """
)
_WITHDRAW = text(
    """
    UPDATE report_files SET status = 'WITHDRAWN', reason = NULL, expires_at = :now
    WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id
    """
)
_EMPTY = text(
    """
    UPDATE report_files
    SET emptied = true,
        status = CASE WHEN status IN ('REFUSED', 'APPLIED', 'WITHDRAWN') THEN status
                      ELSE 'EXPIRED' END
    WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id
    """
)
_DELETE = "DELETE FROM {table} WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id"
_DELETE_PIECES = text(_DELETE.format(table="report_file_pieces"))
_DELETE_ROWS = text(_DELETE.format(table="report_rows"))
_DELETE_ERRORS = text(_DELETE.format(table="report_file_errors"))


async def set_format(
    connection: AsyncConnection,
    tenant_id: UUID,
    partner_id: UUID,
    format_: ReportFormat,
    now: datetime,
    changed_by: str,
) -> None:
    """Store how a partner writes its files, from now on."""
    parameters = {
        "tenant_id": tenant_id,
        "partner_id": partner_id,
        "format": format_.model_dump_json(),
        "now": now,
        "changed_by": changed_by,
    }
    await connection.execute(_SET_FORMAT, parameters)


async def insert_file(connection: AsyncConnection, **values: Any) -> bool:
    """Add a file that is to be checked; False when the same one is on its way already."""
    return (await connection.execute(_INSERT, values)).rowcount == 1


async def same_file(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, sha256: bytes
) -> UUID | None:
    """Return the file of the partner that has these contents, if there is nothing more in them."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id, "sha256": sha256}
    found: UUID | None = await connection.scalar(_SAME, parameters)
    return found


async def insert_piece(
    connection: AsyncConnection, tenant_id: UUID, report_file_id: UUID, number: int, content: bytes
) -> None:
    """Add a piece of a file."""
    key = {"tenant_id": tenant_id, "report_file_id": report_file_id}
    await connection.execute(_INSERT_PIECE, {**key, "number": number, "content": content})


async def read_piece(connection: AsyncConnection, file: ReportFile, number: int) -> bytes | None:
    """Return a piece of a file; None behind the last one."""
    piece: bytes | None = await connection.scalar(_PIECE, {**file.key, "number": number})
    return piece


async def lock_file(
    connection: AsyncConnection, tenant_id: UUID, report_file_id: UUID
) -> ReportFile | None:
    """Return a tenant's file, and keep others from changing it."""
    parameters = {"tenant_id": tenant_id, "report_file_id": report_file_id}
    return await _one(connection, _LOCK, parameters)


async def take_file_to_check(
    connection: AsyncConnection, now: datetime, for_: timedelta
) -> ReportFile | None:
    """Return a file that is to be checked, and keep others off it for so long; None: there is none.

    Looks at all tenants: this is work, not somebody's question. So do the next two.
    """
    return await _take(connection, _LOCK_TO_CHECK, now, for_)


async def take_file_to_apply(
    connection: AsyncConnection, now: datetime, for_: timedelta
) -> ReportFile | None:
    """Return a file of which rows are to be applied, and keep others off it; None: none."""
    return await _take(connection, _LOCK_TO_APPLY, now, for_)


async def lock_file_to_go_on(connection: AsyncConnection, file: ReportFile) -> bool:
    """Lock a file that was taken to be applied; False when it is not ours to go on with.

    Another instance has gone on with it because we took too long.
    """
    return await lock_file(connection, file.tenant_id, file.report_file_id) == file


async def lock_expired_file(connection: AsyncConnection, now: datetime) -> ReportFile | None:
    """Return a file whose time is over, and of which something is still kept, locked."""
    return await _one(connection, _LOCK_EXPIRED, {"now": now})


async def read_on(
    connection: AsyncConnection,
    file: ReportFile,
    *,
    after_row: int,
    last_row: int,
    rows_expected: int,
    bad: int,
    until: datetime,
) -> bool:
    """Store how far a file was read, and lock it; False when it is not ours to go on with.

    It was withdrawn or has expired, or was read by another instance because we took too long.
    """
    parameters = {
        **file.key,
        "after_row": after_row,
        "last_row": last_row,
        "rows_expected": rows_expected,
        "bad": bad,
        "until": until,
    }
    return (await connection.execute(_READ_ON, parameters)).rowcount == 1


async def refuse_file(connection: AsyncConnection, file: ReportFile, reason: str) -> None:
    """Store that a file that is being checked cannot be read at all; delete what it held."""
    refused = await connection.execute(_REFUSE, {**file.key, "reason": reason})
    if refused.rowcount == 1:
        await delete_content(connection, file)
        await connection.execute(_DELETE_ERRORS, file.key)


async def order_application(
    connection: AsyncConnection, file: ReportFile, cause: Cause, now: datetime
) -> None:
    """Let a locked file be applied."""
    parameters = {
        **file.key,
        "now": now,
        "correlation_id": cause.correlation_id,
        "traceparent": cause.traceparent,
    }
    await connection.execute(_ORDER, parameters)


async def withdraw_file(connection: AsyncConnection, file: ReportFile, now: datetime) -> None:
    """Let the time of a locked file be over."""
    await connection.execute(_WITHDRAW, {**file.key, "now": now})


async def empty_file(connection: AsyncConnection, file: ReportFile) -> None:
    """Delete all that is kept of a locked file but its numbers."""
    await connection.execute(_EMPTY, file.key)
    await delete_content(connection, file)
    await connection.execute(_DELETE_ERRORS, file.key)


async def delete_content(connection: AsyncConnection, file: ReportFile) -> None:
    """Delete what a file held: it may be personal data."""
    await connection.execute(_DELETE_PIECES, file.key)
    await connection.execute(_DELETE_ROWS, file.key)


async def delete_pieces(connection: AsyncConnection, file: ReportFile) -> None:
    """Delete a file as it came; what its rows say stays."""
    await connection.execute(_DELETE_PIECES, file.key)


async def _take(
    connection: AsyncConnection, statement: Any, now: datetime, for_: timedelta
) -> ReportFile | None:
    file = await _one(connection, statement, {"now": now})
    if file is not None:
        await connection.execute(_TAKE, {**file.key, "until": now + for_})
    return file


async def _one(
    connection: AsyncConnection, statement: Any, parameters: dict[str, Any]
) -> ReportFile | None:
    row = (await connection.execute(statement, parameters)).one_or_none()
    if row is None:
        return None
    columns = row._asdict()
    format_ = columns["format"]
    columns["format"] = None if format_ is None else ReportFormat.model_validate(format_)
    columns["status"] = Status(columns["status"])
    columns["api"] = None if columns["api"] is None else Api(columns["api"])
    return ReportFile(**columns)
