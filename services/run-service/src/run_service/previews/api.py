"""HTTP: previews, and what staff decide on their members."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal, requires
from kit.cursors import Cursor, Limit, Page
from kit.http import CurrentContext
from kit.idempotency import once
from run_service.previews import queries
from run_service.previews.create_preview import create_preview
from run_service.previews.decide_on_member import decide_on_member
from run_service.resources import Decision, Preview, PreviewMember, PreviewOrder

router = APIRouter(prefix="/v1/previews", tags=["previews"])

Reader = Annotated[Principal, requires("collection:read")]
Manager = Annotated[Principal, requires("collection:manage")]


@router.post("", status_code=201, response_model=Preview)
async def post_preview(
    context: CurrentContext, principal: Manager, request: Request, order: PreviewOrder
) -> Response:
    """Freeze the candidates for a partner; a run can be made of it for 24 hours."""

    async def make(connection: AsyncConnection) -> Preview:
        preview_id = await create_preview(connection, principal, order, context.settings.time_zone)
        return await queries.preview(connection, principal, preview_id)

    return await once(context, principal, request, order, make)


@router.get("/{preview_id}")
async def get_preview(context: CurrentContext, principal: Reader, preview_id: UUID) -> Preview:
    """Return a preview."""
    async with context.database.connect() as connection:
        return await queries.preview(connection, principal, preview_id)


@router.get("/{preview_id}/members")
async def get_preview_members(
    context: CurrentContext,
    principal: Reader,
    preview_id: UUID,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[PreviewMember]:
    """Return the members of a preview with their claims, by studio and name."""
    async with context.database.connect() as connection:
        return await queries.preview_members(
            connection, principal, preview_id, limit=limit, cursor=cursor
        )


@router.put("/{preview_id}/members/{member_id}")
async def put_preview_member(
    context: CurrentContext,
    principal: Manager,
    preview_id: UUID,
    member_id: UUID,
    decision: Decision,
) -> PreviewMember:
    """Leave a member out, or take it in."""
    async with context.database.begin() as connection:
        await decide_on_member(connection, principal, preview_id, member_id, decision)
        return await queries.preview_member(connection, principal, preview_id, member_id)
