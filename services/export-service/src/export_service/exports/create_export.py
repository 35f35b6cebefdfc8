"""Create an export: a job that waits until all members that it is about have arrived."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports import store
from export_service.exports.export import MAX_UNFINISHED, ExportKind, Layout
from export_service.exports.problems import DETAILS_GONE, TOO_MANY
from export_service.members.wanted import WantedMembers
from export_service.runs import queries
from kit.ids import new_id
from kit.problems import not_found, problem, unprocessable
from kit.trace import Cause

_RETRY_AFTER: Final = "30"


async def create_export(
    connection: AsyncConnection,
    cause: Cause,
    wanted: UUID | WantedMembers,
    *,
    layout: Layout,
    created_by: str,
    visible_studios: Sequence[UUID] | None = None,
    named_studios: Sequence[UUID] | None = None,
) -> UUID:
    """Adds an export of a run's details, or of the members who are wanted, and returns its id.

    It will hold the rows of the studios that the order named (None: of all), as far as the one who
    ordered may see them (None: all). Raises for a run the 404 if nothing of it is known for them,
    the 410 if its details are deleted, the 422 if one of the named studios has no part in it or
    may not be seen; for members the 422 if nothing is known of the run that the filters name.
    """
    if await store.count_unfinished(connection, cause.tenant_id) >= MAX_UNFINISHED:
        raise problem(TOO_MANY, headers={"Retry-After": _RETRY_AFTER})
    export_id = new_id()
    if isinstance(wanted, UUID):
        await _check_run(connection, cause.tenant_id, wanted, visible_studios, named_studios)
    elif wanted.run_id is not None and not await queries.find_run(
        connection, cause.tenant_id, wanted.run_id, visible_studios
    ):
        raise unprocessable("filters.run_id", "Must be a run that has members of your studios")
    studio_ids = visible_studios if named_studios is None else sorted(set(named_studios))
    await store.insert_export(
        connection,
        export_id=export_id,
        kind=ExportKind.RUN if isinstance(wanted, UUID) else ExportKind.MEMBERS,
        run_id=wanted if isinstance(wanted, UUID) else None,
        studio_ids=studio_ids,
        studios_named=named_studios is not None,
        filters=wanted if isinstance(wanted, WantedMembers) else None,
        layout=layout,
        created_by=created_by,
        cause=cause,
    )
    return export_id


async def _check_run(
    connection: AsyncConnection,
    tenant_id: UUID,
    run_id: UUID,
    visible_studios: Sequence[UUID] | None,
    named_studios: Sequence[UUID] | None,
) -> None:
    run = await queries.find_run(connection, tenant_id, run_id, visible_studios)
    if run is None:
        raise not_found()
    if run.details_deleted:
        raise problem(DETAILS_GONE)
    if named_studios is None:
        return
    hidden = visible_studios is not None and not set(named_studios).issubset(visible_studios)
    of_run = {studio.studio_id for studio in run.studios}
    if hidden or (run.announced and not of_run.issuperset(named_studios)):
        raise unprocessable("studio_ids", "Each must be a studio of the run")
