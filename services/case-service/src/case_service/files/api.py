"""HTTP: files, the cases that a partner works under one number."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from case_service.edge import Reader
from case_service.files import queries
from case_service.files.views import File, FileSummary
from kit.cursors import Cursor, Limit, Page
from kit.http import CurrentContext
from kit.problems import not_found

router = APIRouter(prefix="/v1/files")


@router.get("")
async def list_files(
    context: CurrentContext,
    principal: Reader,
    partner_id: UUID | None = None,
    search: Annotated[str, Query(max_length=200, description="how the file number begins")] = "",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[FileSummary]:
    """Files with their sums, by partner and number."""
    async with context.database.connect() as connection:
        return await queries.list_files(connection, principal, partner_id, search, limit, cursor)


# A file number may hold a slash.
@router.get("/{partner_id}/{file_number:path}")
async def get_file(
    context: CurrentContext,
    principal: Reader,
    partner_id: UUID,
    file_number: str,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> File:
    """The cases that a partner works under one file number, page by page, and the sums of all."""
    async with context.database.connect() as connection:
        file = await queries.find_file(
            connection, principal, partner_id, file_number, limit, cursor
        )
    if file is None:
        raise not_found()
    return file
