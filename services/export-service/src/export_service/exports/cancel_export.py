"""Cancel an export: nobody needs its file any more."""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports import queries, store
from export_service.exports.export import Status
from export_service.exports.problems import ENDED
from kit.auth import Principal
from kit.problems import FORBIDDEN, conflict, problem

MANAGE: Final = "collection:manage"
"""The role that may cancel what others ordered."""


async def cancel_export(connection: AsyncConnection, principal: Principal, export_id: UUID) -> None:
    """Cancels it, whether it waits or runs; whoever renders it stops at the next batch of rows.

    One that is cancelled stays so. Raises the 404 if the caller does not see it, the 403 if it is
    somebody else's and the caller does not manage, the 409 if it has ended otherwise.
    """
    export = await queries.find_export(connection, principal, export_id)
    if export.created_by != principal.subject and MANAGE not in principal.roles:
        raise problem(FORBIDDEN, f"Somebody else ordered it: this needs the role {MANAGE}.")
    if await store.cancel_export(connection, principal.tenant_id, export_id, by=principal.subject):
        return
    export = await queries.find_export(connection, principal, export_id)
    if export.current_status != Status.CANCELLED:
        raise conflict(ENDED.name, f"The export is {export.current_status}.")
