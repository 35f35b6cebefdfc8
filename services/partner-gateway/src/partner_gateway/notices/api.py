"""HTTP in: what partners must be told."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from kit.auth import Principal, requires
from kit.cursors import Cursor, Limit, Page, decode, encode
from kit.http import CurrentContext, cause_of
from kit.problems import not_found
from partner_gateway.notices import queries, texts
from partner_gateway.notices.language import Language, language_of
from partner_gateway.notices.mark_notices_done import (
    MOST_AT_ONCE,
    Done,
    ManyDone,
    mark_notices_done,
)
from partner_gateway.notices.notice import Kind, Status
from partner_gateway.notices.queries import NoticeView, Wanted

router = APIRouter(prefix="/v1/notices", tags=["notices"])

Reader = Annotated[Principal, requires("collection:read")]
Manager = Annotated[Principal, requires("collection:manage")]


async def _language(request: Request, language: Language | None = None) -> Language:
    return language or language_of(request)


ChosenLanguage = Annotated[Language, Depends(_language)]
"""What `language` says, else `Accept-Language`, else German."""


class NoticesDone(BaseModel):
    """What was ticked off."""

    items: list[NoticeView]


class NoticeText(BaseModel, use_attribute_docstrings=True):
    """What to tell a partner, as a letter or mail."""

    language: Language
    subject: str
    body: str


class Letter(NoticeText):
    """What to tell a partner in one letter."""

    notice_ids: list[UUID]
    """What the letter tells, in its order: to be ticked off with `POST /v1/notices/done`."""
    more: bool
    """Whether there is more to tell than a letter holds (500): ask again once it is ticked off."""


@router.get("")
async def get_notices(
    context: CurrentContext,
    principal: Reader,
    status: Status | None = None,
    kind: Kind | None = None,
    partner_id: UUID | None = None,
    case_id: UUID | None = None,
    run_id: UUID | None = None,
    overdue: bool | None = None,
    by_hand: bool | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[NoticeView]:
    """List what partners must be told, oldest first.

    `overdue`: the partner should know by now, and is not known to. `by_hand`: it is, or was, on
    staff to tell the partner.
    """
    after = None if cursor is None else decode(cursor, (UUID,))[0]
    wanted = Wanted(
        status=status,
        kind=kind,
        partner_id=partner_id,
        case_id=case_id,
        run_id=run_id,
        overdue=overdue,
        by_hand=by_hand,
    )
    async with context.database.connect() as connection:
        found = await queries.list_notices(
            connection, principal, wanted, after=after, limit=limit + 1
        )
    items = found[:limit]
    return Page(items=items, next=encode([items[-1].notice_id]) if len(found) > limit else None)


@router.get("/text")
async def get_letter(
    context: CurrentContext, principal: Reader, language: ChosenLanguage, partner_id: UUID
) -> Letter:
    """Write one letter of all that staff have still to tell a partner; 404 when that is nothing."""
    async with context.database.connect() as connection:
        duties = await queries.list_duties(connection, principal, partner_id, MOST_AT_ONCE + 1)
    if not duties:
        raise not_found()
    told, more = duties[:MOST_AT_ONCE], len(duties) > MOST_AT_ONCE
    subject, body = texts.letter(told, language, more=more)
    notice_ids = [notice.notice_id for notice in told]
    return Letter(language=language, subject=subject, body=body, notice_ids=notice_ids, more=more)


@router.post("/done")
async def post_notices_done(
    request: Request, context: CurrentContext, principal: Manager, body: ManyDone
) -> NoticesDone:
    """Tick off several notices, all or none; `errors` names each that stands in the way.

    Needs no Idempotency-Key: what is ticked off stays as it is.
    """
    named = {f"notice_ids.{place}": each for place, each in enumerate(body.notice_ids)}
    async with context.database.begin() as connection:
        await mark_notices_done(connection, principal, named, body, cause_of(request, principal))
        found = await queries.find_notices(connection, principal, body.notice_ids)
    return NoticesDone(items=[found[notice_id] for notice_id in dict.fromkeys(body.notice_ids)])


@router.get("/{notice_id}")
async def get_notice(context: CurrentContext, principal: Reader, notice_id: UUID) -> NoticeView:
    """Show one notice."""
    async with context.database.connect() as connection:
        found = await queries.find_notices(connection, principal, [notice_id])
    if notice_id not in found:
        raise not_found()
    return found[notice_id]


@router.get("/{notice_id}/text")
async def get_notice_text(
    context: CurrentContext, principal: Reader, language: ChosenLanguage, notice_id: UUID
) -> NoticeText:
    """Write a letter of what the partner must be told."""
    notice = await get_notice(context, principal, notice_id)
    subject, body = texts.letter([notice], language)
    return NoticeText(language=language, subject=subject, body=body)


@router.post("/{notice_id}/done")
async def post_notice_done(
    request: Request, context: CurrentContext, principal: Manager, notice_id: UUID, body: Done
) -> NoticeView:
    """Tick off a notice of a partner by hand, or one that a partner's API refused.

    Needs no Idempotency-Key: what is ticked off stays as it is.
    """
    async with context.database.begin() as connection:
        named = {"notice_id": notice_id}
        await mark_notices_done(connection, principal, named, body, cause_of(request, principal))
        found = await queries.find_notices(connection, principal, [notice_id])
    return found[notice_id]
