"""Order that a checked report file be applied; a worker does it after the answer (R53)."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from kit.http import Body
from kit.problems import not_found, problem
from kit.trace import Cause
from partner_gateway.report_files import store
from partner_gateway.report_files.kinds import Status
from partner_gateway.report_files.problems import HAS_BAD_ROWS, NOT_CHECKED


class ApplicationOrder(Body):
    """Applies what was checked."""

    leave_out_bad_rows: bool = False
    """Apply the good rows though there are bad ones."""


async def request_application(
    connection: AsyncConnection, report_file_id: UUID, order: ApplicationOrder, cause: Cause
) -> None:
    """Let a file be applied.

    Raises the 404 when the tenant has no such file, the 409 when it is not checked, or has bad rows
    that are not to be left out.
    """
    file = await store.lock_file(connection, cause.tenant_id, report_file_id)
    if file is None:
        raise not_found()
    if file.status is not Status.CHECKED:
        raise problem(NOT_CHECKED, f"Its status is {file.status}.")
    if file.bad and not order.leave_out_bad_rows:
        raise problem(HAS_BAD_ROWS, f"Bad rows: {file.bad}.", extensions={"bad_rows": file.bad})
    await store.order_application(connection, file, cause, now())
