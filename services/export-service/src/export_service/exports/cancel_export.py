"""Cancel an export: nobody needs its file any more."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports import store
from export_service.exports.problems import ENDED
from kit.clock import now
from kit.problems import conflict


async def cancel_export(
    connection: AsyncConnection, tenant_id: UUID, export_id: UUID, cancelled_by: str
) -> None:
    """Cancels it, whether it waits or runs; whoever renders it stops at the next batch of rows.

    Raises the 409 if it has ended.
    """
    cancelled = await store.cancel_export(
        connection, tenant_id, export_id, by=cancelled_by, at=now()
    )
    if not cancelled:
        raise conflict(ENDED.name, "The export has ended already.")
