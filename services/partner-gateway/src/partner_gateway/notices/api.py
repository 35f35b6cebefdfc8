"""HTTP in: what partners must be told."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request

from kit.auth import Principal, requires
from kit.cursors import Cursor, Limit, Page, decode, encode
from kit.http import CurrentContext, cause_of
from kit.problems import not_found
from partner_gateway.notices import queries, store
from partner_gateway.notices.mark_notice_done import Done, mark_notice_done
from partner_gateway.notices.notice import Status
from partner_gateway.notices.queries import NoticeView

router = APIRouter(prefix="/v1/notices", tags=["notices"])

Reader = Annotated[Principal, requires("collection:read")]
Manager = Annotated[Principal, requires("collection:manage")]


@router.get("")
async def get_notices(
    context: CurrentContext,
    principal: Reader,
    status: Status | None = None,
    partner_id: UUID | None = None,
    case_id: UUID | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[NoticeView]:
    """List what partners must be told, oldest first."""
    after = None if cursor is None else decode(cursor, (UUID,))[0]
    async with context.database.connect() as connection:
        found = await queries.list_notices(
            connection,
            principal,
            status=status,
            partner_id=partner_id,
            case_id=case_id,
            after=after,
            limit=limit + 1,
        )
    items = list(found[:limit])
    return Page(items=items, next=encode([items[-1].notice_id]) if len(found) > limit else None)


@router.post("/{notice_id}/done")
async def post_notice_done(
    request: Request, context: CurrentContext, principal: Manager, notice_id: UUID, body: Done
) -> NoticeView:
    """Tick off a notice of a partner by hand, or one that a partner's API refused.

    Needs no Idempotency-Key: what is ticked off stays as it is.
    """
    async with context.database.begin() as connection:
        notice = await store.lock_notice(connection, principal.tenant_id, notice_id)
        if notice is None or not principal.may_see(notice.studio_id):
            raise not_found()
        cause = cause_of(request, principal)
        await mark_notice_done(connection, notice, body, cause, principal.subject)
        view = await queries.find_notice(connection, principal, notice_id)
    if view is None:
        raise not_found()
    return view
