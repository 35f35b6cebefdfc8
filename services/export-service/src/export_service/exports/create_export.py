"""Create an export: a job that waits until its run is whole."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports import store
from export_service.exports.export import Format
from export_service.runs import queries
from kit.clock import now
from kit.ids import new_id
from kit.problems import not_found
from kit.trace import Cause


async def create_export(
    connection: AsyncConnection,
    cause: Cause,
    *,
    run_id: UUID,
    format_: Format,
    studio_ids: Sequence[UUID] | None,
    created_by: str,
) -> UUID:
    """Adds the export and returns its id.

    It will hold the rows of these studios only (None: of all). Raises the 404 if nothing of the
    run is known for them.
    """
    if not await queries.knows_run(connection, cause.tenant_id, run_id, studio_ids):
        raise not_found()
    export_id = new_id()
    await store.insert_export(
        connection,
        export_id=export_id,
        run_id=run_id,
        format_=format_,
        studio_ids=studio_ids,
        created_by=created_by,
        created_at=now(),
        cause=cause,
    )
    return export_id
