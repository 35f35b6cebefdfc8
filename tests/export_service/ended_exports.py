"""Exports as their worker leaves them, with files of a test's own."""

import asyncio
import hashlib
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from export_service.exports.export import Format, Layout, stored_name
from export_service.exports.export_file import ExportFile, ExportFiles
from export_service.exports.store import exports
from export_service.settings import Settings
from kit.clock import now
from kit.context import Context
from kit.ids import new_id

TENANT, RUN = new_id(), new_id()
ATTEMPT = 2
CONTENT = os.urandom(1024 * 1024) * 10  # ten blocks
SHA256 = hashlib.sha256(CONTENT)
COMPLETED_AT = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)


async def export(context: Context[Settings], **changes: Any) -> UUID:
    """An export of a run, without a file."""
    export_id = new_id()
    known = {
        "export_id": export_id,
        "tenant_id": TENANT,
        "kind": "RUN",
        "run_id": RUN,
        "format": "csv",
        "language": "de",
        "csv_dialect": "STANDARD",
        "csv_guarded": True,
        "per_studio": False,
        "rows_done": 8,
        "attempt": ATTEMPT,
        "created_by": "staff-1",
        "created_at": COMPLETED_AT,
        "correlation_id": "correlation-1",
    }
    async with context.database.begin() as connection:
        await connection.execute(exports.insert().values(known | changes))
    return export_id


async def completed(context: Context[Settings], **changes: Any) -> UUID:
    """An export whose file is there."""
    of_file = {
        "status": "COMPLETED",
        "file_name": "inkassolauf-2026-000001.csv",
        "size_bytes": len(CONTENT),
        "sha256": SHA256.hexdigest(),
        "completed_at": COMPLETED_AT,
        "expires_at": now() + timedelta(days=1),
    } | changes
    export_id = await export(context, delete_file_at=of_file["expires_at"], **of_file)
    await store_file(context, name_of(export_id))
    return export_id


def failed(at: datetime) -> dict[str, Any]:
    """What makes an export one that has failed."""
    return {"status": "FAILED", "failure_reason": "STORAGE_FULL", "delete_file_at": at}


def cancelled(at: datetime) -> dict[str, Any]:
    """What makes an export one that was cancelled."""
    return {
        "status": "CANCELLED",
        "cancelled_at": at,
        "cancelled_by": "staff-1",
        "delete_file_at": at,
    }


def name_of(export_id: UUID, attempt: int = ATTEMPT) -> str:
    """The name of an attempt's file in storage."""
    return stored_name(export_id, attempt, Layout(Format.CSV))


async def store_file(context: Context[Settings], name: str) -> None:
    """Puts a file into storage."""
    await asyncio.to_thread(_write, ExportFile(context.one(ExportFiles), name))


def _write(file: ExportFile) -> None:
    file.write(CONTENT)
    file.keep()
