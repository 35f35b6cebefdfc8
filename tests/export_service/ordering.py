"""Exports as a test orders them, and what becomes of them."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from contracts import Event, MemberHandedOverV1, RunCreatedV1, parse
from export_service.exports.create_export import create_export
from export_service.exports.export import Format, Layout, stored_name
from export_service.exports.store import exports
from export_service.members.wanted import WantedMembers
from export_service.settings import Settings
from export_service.subscribers import member_handed_over, run_created
from kit.context import Context
from kit.ids import new_id
from kit.trace import Cause
from tests.export_service.handed_over import receive, run_of

TENANT = new_id()
AS_CSV = Layout(Format.CSV)
AS_XLSX = Layout(Format.XLSX)
ServiceContext = Context[Settings]


async def announce(context: ServiceContext, *runs: RunCreatedV1, tenant_id: UUID = TENANT) -> None:
    """Lets announcements of runs arrive."""
    await receive(context, run_created, tenant_id, runs)


async def hand_over(
    context: ServiceContext, members: Sequence[MemberHandedOverV1], tenant_id: UUID = TENANT
) -> None:
    """Lets members arrive."""
    await receive(context, member_handed_over, tenant_id, members)


async def order(
    context: ServiceContext,
    wanted: UUID | WantedMembers,
    layout: Layout = AS_CSV,
    studio_ids: Sequence[UUID] | None = None,
) -> UUID:
    """Creates an export."""
    async with context.database.begin() as connection:
        return await create_export(
            connection,
            Cause(TENANT, "correlation-2", None),
            wanted,
            layout=layout,
            created_by="staff-1",
            visible_studios=studio_ids,
        )


async def export(context: ServiceContext, export_id: UUID) -> Row[Any]:
    """The export as it is in the database."""
    async with context.database.connect() as connection:
        found = await connection.execute(select(exports).where(exports.c.export_id == export_id))
        return found.one()


async def change(context: ServiceContext, export_id: UUID, **values: Any) -> None:
    """Turns the clock of an export, so to say."""
    async with context.database.begin() as connection:
        await connection.execute(
            exports.update().where(exports.c.export_id == export_id).values(**values)
        )


async def published(context: ServiceContext) -> list[Event]:
    """The events in the outbox."""
    async with context.database.connect() as connection:
        rows = await connection.execute(text("SELECT type, payload, tenantid FROM outbox"))
        found = rows.all()
    assert all(row.tenantid == TENANT for row in found)
    return [parse(row.type, row.payload) for row in found]


def folder(context: ServiceContext) -> Path:
    """Where the files are."""
    assert context.settings.export_directory is not None
    return context.settings.export_directory


def file_of(
    context: ServiceContext, export_id: UUID, layout: Layout = AS_CSV, attempt: int = 1
) -> Path:
    """Where the file of an attempt is, once it is whole."""
    return folder(context) / stored_name(export_id, attempt, layout)


def records(path: Path) -> list[list[str]]:
    """The records of a CSV file, without the header."""
    return list(csv.reader(io.StringIO(path.read_text("utf-8"), newline="")))[1:]


async def ordered_run(context: ServiceContext, members: int = 1, layout: Layout = AS_CSV) -> UUID:
    """Lets a whole run arrive and creates an export of it."""
    run, handed_over = run_of(members)
    await announce(context, run)
    await hand_over(context, handed_over)
    return await order(context, run.run_id, layout)
