"""Take a report file in: a worker checks it after the answer (R53)."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from kit.ids import new_id
from kit.problems import unprocessable
from partner_gateway.partners.queries import find_partner
from partner_gateway.report_files import store
from partner_gateway.report_files.uploads import Upload, pieces_of


async def create_report_file(
    connection: AsyncConnection,
    tenant_id: UUID,
    upload: Upload,
    created_by: str,
    kept_for: timedelta,
) -> tuple[UUID, bool]:
    """Save a file; return its id, and whether the partner's file with these contents was here.

    In that case nothing is saved, and the id is that of the earlier one. A file that was withdrawn,
    has expired or was refused, or of which bad rows were left out, is taken in again. Raises the
    422 when the tenant has no such partner.
    """
    if await find_partner(connection, tenant_id, upload.partner_id) is None:
        raise unprocessable("partner_id", "There is no such partner")
    same = (tenant_id, upload.partner_id, upload.sha256)
    if (earlier := await store.same_file(connection, *same)) is not None:
        return earlier, True
    report_file_id, created_at = new_id(), now()
    is_new = await store.insert_file(
        connection,
        report_file_id=report_file_id,
        tenant_id=tenant_id,
        partner_id=upload.partner_id,
        sha256=upload.sha256,
        size=upload.size,
        now=created_at,
        created_by=created_by,
        expires_at=created_at + kept_for,
    )
    if not is_new:  # another request was quicker
        found = await store.same_file(connection, *same)
        assert found is not None, "it is what kept ours out"
        return found, True
    await _save(connection, tenant_id, report_file_id, pieces_of(upload.file))
    return report_file_id, False


async def _save(
    connection: AsyncConnection, tenant_id: UUID, report_file_id: UUID, pieces: Iterable[bytes]
) -> None:
    for number, piece in enumerate(pieces):
        await store.insert_piece(connection, tenant_id, report_file_id, number, piece)
