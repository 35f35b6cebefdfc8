"""HTTP: files in, what is wrong with them, and the order to publish them."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal, requires
from kit.cursors import Cursor, Limit, Page
from kit.http import CurrentContext, cause_of
from kit.idempotency import once
from kit.problems import problem
from run_service.imports import queries
from run_service.imports.check_imports import CHECK_IMPORTS
from run_service.imports.create_import import create_import
from run_service.imports.discard_imports import DISCARD_IMPORTS
from run_service.imports.kinds import Kind
from run_service.imports.publish_imports import PUBLISH_IMPORTS
from run_service.imports.request_publication import request_publication
from run_service.imports.resources import Contents, Import, ImportedRowError, PublicationOrder
from run_service.imports.uploads import MAX_BODY_BYTES, uploads_of
from run_service.imports.withdraw_import import withdraw_import
from run_service.problems import ALL_STUDIOS_NEEDED

router = APIRouter(prefix="/v1/imports", tags=["imports"])

_Manager = Annotated[Principal, requires("collection:manage")]

_FILES: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": False,
                    "properties": {
                        kind.value: {"type": "string", "contentMediaType": "text/csv"}
                        for kind in Kind
                    },
                }
            }
        },
    }
}


@router.post(
    "",
    status_code=202,
    response_model=Import,
    openapi_extra=_FILES,
    max_body_size=MAX_BODY_BYTES,
)
async def post_import(context: CurrentContext, principal: _Manager, request: Request) -> Response:
    """Take in CSV files of studios, members and claims; they are checked after the answer.

    Nothing is published before that is ordered. A file has at most 64 MB and 500,000 rows.
    """
    _must_see_all_studios(principal)
    async with uploads_of(request) as uploads:
        contents = Contents(files={upload.kind: upload.content.sha256 for upload in uploads})

        async def make(connection: AsyncConnection) -> Import:
            import_id = await create_import(connection, principal, uploads)
            return await queries.import_(connection, principal.tenant_id, import_id)

        response = await once(context, principal, request, contents, make, status=202)
    context.wake(CHECK_IMPORTS)
    return response


@router.get("/{import_id}")
async def get_import(context: CurrentContext, principal: _Manager, import_id: UUID) -> Import:
    """Return an import, and how far it is."""
    _must_see_all_studios(principal)
    async with context.database.connect() as connection:
        return await queries.import_(connection, principal.tenant_id, import_id)


@router.get("/{import_id}/errors")
async def get_import_errors(
    context: CurrentContext,
    principal: _Manager,
    import_id: UUID,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ImportedRowError]:
    """Return what is wrong with the files, by file and row: the first 10,000 that were found."""
    _must_see_all_studios(principal)
    async with context.database.connect() as connection:
        return await queries.import_errors(
            connection, principal.tenant_id, import_id, limit=limit, cursor=cursor
        )


@router.post("/{import_id}/publication", status_code=202, response_model=Import)
async def post_publication(
    context: CurrentContext,
    principal: _Manager,
    request: Request,
    import_id: UUID,
    order: PublicationOrder,
) -> Response:
    """Publish what was checked: the snapshots go out after the answer."""
    _must_see_all_studios(principal)
    cause = cause_of(request, principal)

    async def make(connection: AsyncConnection) -> Import:
        await request_publication(connection, import_id, order, cause)
        return await queries.import_(connection, principal.tenant_id, import_id)

    response = await once(context, principal, request, order, make, status=202)
    context.wake(PUBLISH_IMPORTS)
    return response


@router.delete("/{import_id}", status_code=204)
async def delete_import(context: CurrentContext, principal: _Manager, import_id: UUID) -> None:
    """Take the files back instead of waiting until they expire; not once they are published."""
    _must_see_all_studios(principal)
    async with context.database.begin() as connection:
        await withdraw_import(connection, principal.tenant_id, import_id)
    context.wake(DISCARD_IMPORTS)


def _must_see_all_studios(principal: Principal) -> None:
    """Raise the 403 for who sees some studios only: files may hold any."""
    if principal.studio_ids is not None:
        raise problem(ALL_STUDIOS_NEEDED)
