"""Order that an import be published; a worker does it after the answer (R12)."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.problems import not_found, problem
from kit.trace import Cause
from run_service.imports import store
from run_service.imports.kinds import Status
from run_service.imports.problems import IMPORT_HAS_BAD_ROWS, IMPORT_NOT_CHECKED
from run_service.imports.resources import PublicationOrder


async def request_publication(
    connection: AsyncConnection, import_id: UUID, order: PublicationOrder, cause: Cause
) -> None:
    """Let an import be published.

    Raises the 404 when the tenant has no such import, the 409 when it is not checked, or has bad
    rows that are not to be left out.
    """
    import_ = await store.lock_import(connection, cause.tenant_id, import_id)
    if import_ is None:
        raise not_found()
    if import_.status is not Status.CHECKED:
        raise problem(IMPORT_NOT_CHECKED, f"Its status is {import_.status}.")
    bad = sum(file.bad for file in import_.files)
    if bad and not order.leave_out_bad_rows:
        raise problem(IMPORT_HAS_BAD_ROWS, f"Bad rows: {bad}.", extensions={"bad_rows": bad})
    await store.change_import(
        connection,
        import_,
        status=Status.PUBLISHING,
        correlation_id=cause.correlation_id,
        traceparent=cause.traceparent,
    )
