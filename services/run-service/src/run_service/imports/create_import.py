"""Take files in: they are checked by a worker after the answer (R12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.datastructures import UploadFile

from kit.auth import Principal
from kit.clock import now
from kit.ids import new_id
from run_service.imports import store
from run_service.imports.csv_reading import Content
from run_service.imports.kinds import Kind

KEPT_FOR: Final = timedelta(hours=24)
"""How long an import waits to be published before it is discarded."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a request."""

    kind: Kind
    content: Content
    file: UploadFile


async def create_import(
    connection: AsyncConnection, principal: Principal, uploads: Sequence[Upload]
) -> UUID:
    """Save files of a request, and return the id of their import."""
    import_id, created_at = new_id(), now()
    await store.insert_import(
        connection,
        tenant_id=principal.tenant_id,
        import_id=import_id,
        created_at=created_at,
        created_by=principal.subject,
        expires_at=created_at + KEPT_FOR,
    )
    for upload in uploads:
        await _save(connection, principal.tenant_id, import_id, upload)
    return import_id


async def _save(
    connection: AsyncConnection, tenant_id: UUID, import_id: UUID, upload: Upload
) -> None:
    """Save one file piece by piece, for it may be large."""
    await store.insert_file(
        connection,
        tenant_id,
        import_id,
        upload.kind,
        size=upload.content.size,
        encoding=upload.content.encoding,
    )
    await upload.file.seek(0)
    number = 0
    while piece := await upload.file.read(store.PIECE):
        await store.insert_piece(connection, tenant_id, import_id, upload.kind, number, piece)
        number += 1
