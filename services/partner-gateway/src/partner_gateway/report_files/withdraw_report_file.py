"""Take a report file back that nobody has applied: what it holds is deleted soon after."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from kit.problems import not_found, problem
from partner_gateway.report_files import store
from partner_gateway.report_files.kinds import Status
from partner_gateway.report_files.problems import UNDER_WAY


async def withdraw_report_file(
    connection: AsyncConnection, tenant_id: UUID, report_file_id: UUID
) -> None:
    """Let a file expire at once; doing it again changes nothing.

    Raises the 404 when the tenant has no such file, the 409 when it was ordered to be applied.
    """
    file = await store.lock_file(connection, tenant_id, report_file_id)
    if file is None:
        raise not_found()
    if file.status in (Status.APPLYING, Status.APPLIED):
        raise problem(UNDER_WAY)
    if file.status not in (Status.WITHDRAWN, Status.EXPIRED):
        await store.withdraw_file(connection, file, now())
