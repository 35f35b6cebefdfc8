"""HTTP: previews, and what staff decide on their members."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal, requires
from kit.cursors import Cursor, Limit, Page
from kit.http import CurrentContext
from kit.idempotency import once
from run_service.candidates.search_text import MAX_QUERY
from run_service.candidates.selection import LeftOut
from run_service.previews import member_queries, queries
from run_service.previews.create_preview import create_preview
from run_service.previews.decide_on_member import decide_on_member
from run_service.previews.decide_on_members import decide_on_members
from run_service.previews.member_queries import Sort, WantedMembers
from run_service.previews.resources import (
    Decision,
    MembersDecision,
    Preview,
    PreviewHead,
    PreviewMember,
    PreviewOrder,
)

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

    answer = await once(context, principal, request, order, make)
    context.database.plan_anew()  # a preview may have added more rows than there were
    return answer


@router.get("")
async def get_previews(
    context: CurrentContext, principal: Reader, limit: Limit = 100, cursor: Cursor = None
) -> Page[PreviewHead]:
    """Return the previews that a run can still be made of, the newest first."""
    async with context.database.connect() as connection:
        return await queries.open_previews(connection, principal, limit=limit, cursor=cursor)


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
    sort: Sort = "studio",
    search: Annotated[str | None, Query(max_length=MAX_QUERY)] = None,
    studio_id: UUID | None = None,
    left_out: bool | None = None,
    reason: LeftOut | None = None,
    minor: bool | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[PreviewMember]:
    """Return the members of a preview with their claims.

    `sort` is by studio and name unless told otherwise; `-` in front turns it round. `search`
    finds members whose name and membership number hold each of its words; accents and case do
    not matter.
    """
    wanted = WantedMembers(sort, search, studio_id, left_out, reason, minor)
    async with context.database.connect() as connection:
        return await member_queries.preview_members(
            connection, principal, preview_id, wanted, limit=limit, cursor=cursor
        )


@router.patch("/{preview_id}/members")
async def patch_preview_members(
    context: CurrentContext, principal: Manager, preview_id: UUID, decision: MembersDecision
) -> Preview:
    """Leave members out, or take them in: those that are named, or all.

    Who is left out or in already keeps the earlier decision. Taking all in passes over minors
    without a legal guardian, who are taken in one by one, and over those who cannot be handed
    over.
    """
    async with context.database.begin() as connection:
        await decide_on_members(connection, principal, preview_id, decision)
        return await queries.preview(connection, principal, preview_id)


@router.get("/{preview_id}/members/{member_id}")
async def get_preview_member(
    context: CurrentContext, principal: Reader, preview_id: UUID, member_id: UUID
) -> PreviewMember:
    """Return a member of a preview with its claims."""
    async with context.database.connect() as connection:
        return await member_queries.preview_member(connection, principal, preview_id, member_id)


@router.put("/{preview_id}/members/{member_id}")
async def put_preview_member(
    context: CurrentContext,
    principal: Manager,
    preview_id: UUID,
    member_id: UUID,
    decision: Decision,
) -> PreviewMember:
    """Leave a member out, or take it in; a minor without a legal guardian only with a reason."""
    async with context.database.begin() as connection:
        await decide_on_member(connection, principal, preview_id, member_id, decision)
        return await member_queries.preview_member(connection, principal, preview_id, member_id)
