"""HTTP in: what partners call back, and what staff see of it and decide."""

from collections.abc import Mapping
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.datastructures import Headers

from kit.auth import Principal, requires
from kit.clock import now
from kit.cursors import Cursor, Limit, Page, decode, encode
from kit.http import CurrentContext
from kit.problems import not_found
from kit.trace import current_correlation_id, current_traceparent
from partner_gateway.all_studios import must_see_all_studios
from partner_gateway.callbacks import queries, translate_callbacks
from partner_gateway.callbacks.callback import Status
from partner_gateway.callbacks.intake import Intake
from partner_gateway.callbacks.queries import CallbackDetails, CallbackView
from partner_gateway.callbacks.receive_callbacks import Arrival, Receipt
from partner_gateway.callbacks.settle_callback import Dismissal, dismiss_callback, retry_callback
from partner_gateway.partners.queries import find_partner
from partner_gateway.standard_webhooks import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER

MAX_BODY_BYTES: Final = 262_144

_MAX_HEADER_CHARACTERS: Final = 16_384
_SIGNED_WITH: Final = frozenset({ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER})
_NEVER_KEPT: Final = frozenset({"authorization", "cookie", "proxy-authorization"})

router = APIRouter(prefix="/v1/partners", tags=["callbacks"])

Administrator = Annotated[Principal, requires("partner:admin")]


@router.post(
    "/{partner_id}/callbacks",
    status_code=202,
    max_body_size=MAX_BODY_BYTES,
    response_model_exclude_none=True,
)
async def post_callback(request: Request, context: CurrentContext, partner_id: UUID) -> Receipt:
    """Take in a callback, signed after Standard Webhooks; the signature is its only key.

    The answer says that it is stored, and whether it could be read; what it says is judged later.
    The same callback again gets the same answer.
    """
    body = await request.body()
    arrival = Arrival(
        partner_id=partner_id,
        headers=_kept(request.headers),
        body=body,
        received_at=now(),
        correlation_id=current_correlation_id(),
        traceparent=current_traceparent(),
    )
    return await context.one(Intake).take(arrival)


@router.get("/{partner_id}/callbacks")
async def get_callbacks(
    context: CurrentContext,
    principal: Administrator,
    partner_id: UUID,
    status: Status | None = None,
    overdue: bool = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[CallbackView]:
    """List what a partner called back, newest first; `overdue`: what has waited for too long."""
    must_see_all_studios(principal)
    before = None if cursor is None else decode(cursor, (UUID,))[0]
    async with context.database.connect() as connection:
        if await find_partner(connection, principal.tenant_id, partner_id) is None:
            raise not_found()
        found = await queries.list_callbacks(
            connection,
            principal.tenant_id,
            partner_id,
            status=status,
            overdue=overdue,
            before=before,
            limit=limit + 1,
        )
    items = list(found[:limit])
    return Page(items=items, next=encode([items[-1].callback_id]) if len(found) > limit else None)


@router.get("/{partner_id}/callbacks/{callback_id}")
async def get_callback(
    context: CurrentContext, principal: Administrator, partner_id: UUID, callback_id: UUID
) -> CallbackDetails:
    """Show a callback with its body and headers; they may hold personal data."""
    must_see_all_studios(principal)
    async with context.database.connect() as connection:
        found = await queries.find_callback(
            connection, principal.tenant_id, partner_id, callback_id
        )
    if found is None:
        raise not_found()
    return found


@router.post("/{partner_id}/callbacks/{callback_id}/retry")
async def post_callback_retry(
    context: CurrentContext, principal: Administrator, partner_id: UUID, callback_id: UUID
) -> CallbackDetails:
    """Let a callback that is PARKED or CONFLICT be looked at again.

    Needs no Idempotency-Key: the second time it does not wait for staff any more.
    """
    must_see_all_studios(principal)
    async with context.database.begin() as connection:
        await retry_callback(connection, principal, partner_id, callback_id)
    context.wake(translate_callbacks.WORKER)
    return await get_callback(context, principal, partner_id, callback_id)


@router.post("/{partner_id}/callbacks/{callback_id}/dismissal")
async def post_callback_dismissal(
    context: CurrentContext,
    principal: Administrator,
    partner_id: UUID,
    callback_id: UUID,
    body: Dismissal,
) -> CallbackDetails:
    """Dismiss a callback that is PARKED or CONFLICT: it was settled otherwise.

    Needs no Idempotency-Key: the second time it does not wait for staff any more.
    """
    must_see_all_studios(principal)
    async with context.database.begin() as connection:
        await dismiss_callback(connection, principal, partner_id, callback_id, body)
    return await get_callback(context, principal, partner_id, callback_id)


def _kept(headers: Headers) -> Mapping[str, str]:
    """Return what is kept of the headers: no credentials, and those of the signature first.

    One that came more than once has its values joined by commas, as HTTP has it.
    """
    kept: dict[str, str] = {}
    room = _MAX_HEADER_CHARACTERS
    for name in sorted(set(headers.keys()), key=lambda name: (name not in _SIGNED_WITH, name)):
        value = ", ".join(headers.getlist(name)).replace("\x00", "")
        room -= len(name) + len(value)
        if name not in _NEVER_KEPT and room >= 0:
            kept[name] = value
    return kept
