"""HTTP in: partners and their secrets."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from kit import idempotency
from kit.auth import Principal, requires
from kit.cursors import Cursor, Limit, Page, decode, encode
from kit.http import CurrentContext, cause_of, check_if_match, etag
from kit.problems import not_found
from partner_gateway.addresses import check_base_url
from partner_gateway.deliveries import circuits
from partner_gateway.deliveries.deliver import WORKER
from partner_gateway.partners import queries, store
from partner_gateway.partners.change_partner import PartnerChange, change_partner
from partner_gateway.partners.create_partner import NewPartner, create_partner
from partner_gateway.partners.create_secret import SecretOrder, create_secret
from partner_gateway.partners.end_secret import end_secret
from partner_gateway.partners.partner import Partner
from partner_gateway.partners.queries import PartnerView, SecretView

router = APIRouter(prefix="/v1/partners", tags=["partners"])

_ADMINISTRATOR: Final = "partner:admin"
Administrator = Annotated[Principal, requires(_ADMINISTRATOR)]
Reader = Annotated[Principal, requires(_ADMINISTRATOR, "collection:read", "collection:finance")]


class NewSecret(SecretView):
    """A new secret, in the one answer that shows its text."""

    secret: str | None
    """`whsec_…`; null when the answer is repeated (`Idempotent-Replayed`)."""


@router.post("", status_code=201, response_model=PartnerView)
async def post_partner(
    request: Request, context: CurrentContext, principal: Administrator, body: NewPartner
) -> Response:
    """Set up a partner."""
    if body.base_url is not None:
        await check_base_url(body.base_url, context.settings.trusted_partner_hosts)

    async def verb(connection: AsyncConnection) -> PartnerView:
        cause = cause_of(request, principal)
        partner = await create_partner(
            connection, body, context.settings.seal, cause, principal.subject
        )
        return await _view(connection, partner)

    return await idempotency.once(context, principal, request, body, verb)


@router.get("")
async def get_partners(
    context: CurrentContext, principal: Reader, limit: Limit = 100, cursor: Cursor = None
) -> Page[PartnerView]:
    """List the tenant's partners, oldest first."""
    after = None if cursor is None else decode(cursor, (UUID,))[0]
    async with context.database.connect() as connection:
        found = await queries.list_partners(connection, principal.tenant_id, after, limit + 1)
    more = len(found) > limit
    items = list(found[:limit])
    return Page(items=items, next=encode([items[-1].partner_id]) if more else None)


@router.get("/{partner_id}")
async def get_partner(
    response: Response, context: CurrentContext, principal: Reader, partner_id: UUID
) -> PartnerView:
    """Show one partner."""
    async with context.database.connect() as connection:
        view = await queries.find_partner(connection, principal.tenant_id, partner_id)
    if view is None:
        raise not_found()
    response.headers["ETag"] = etag(view.sequence)
    return view


@router.patch("/{partner_id}")
async def patch_partner(
    request: Request,
    response: Response,
    context: CurrentContext,
    principal: Administrator,
    partner_id: UUID,
    body: PartnerChange,
) -> PartnerView:
    """Change a partner; with `If-Match` only if it is still as it was seen."""
    if body.base_url is not None:
        await check_base_url(body.base_url, context.settings.trusted_partner_hosts)
    async with context.database.begin() as connection:
        partner = await _locked(connection, principal, partner_id)
        check_if_match(request, partner.sequence)
        changed = await change_partner(
            connection,
            partner,
            body,
            context.settings.seal,
            cause_of(request, principal),
            principal.subject,
        )
        # It may be resumed, or reached in another way: so it may answer now.
        await circuits.probe_now(connection, principal.tenant_id, partner_id, changed.changed_at)
        view = await _view(connection, changed)
    context.wake(WORKER)
    response.headers["ETag"] = etag(changed.sequence)
    return view


@router.post("/{partner_id}/secrets", status_code=201, response_model=NewSecret)
async def post_secret(
    request: Request,
    context: CurrentContext,
    principal: Administrator,
    partner_id: UUID,
    body: SecretOrder | None = None,
) -> Response:
    """Make a secret; its text is in this answer only, and not even in its repetition.

    Older secrets stay valid, until `others_end_at` if that is given: so the partner has time to
    change to the new one, and nothing is lost meanwhile.
    """
    order = body or SecretOrder()
    shown: NewSecret | None = None

    async def verb(connection: AsyncConnection) -> NewSecret:
        nonlocal shown
        partner = await _locked(connection, principal, partner_id)
        view, secret = await create_secret(
            connection, partner, order, context.settings.seal, principal.subject
        )
        shown = NewSecret(**view.model_dump(), secret=secret)
        # What is returned is kept for repetitions, in the clear: so without the text.
        return NewSecret(**view.model_dump(), secret=None)

    answer = await idempotency.once(context, principal, request, order, verb)
    if shown is None:
        return answer
    return JSONResponse(shown.model_dump(mode="json"), answer.status_code)


@router.delete("/{partner_id}/secrets/{secret_id}", status_code=204)
async def delete_secret(
    context: CurrentContext, principal: Administrator, partner_id: UUID, secret_id: UUID
) -> None:
    """End a secret at once and for good; one that has ended already is answered in the same way."""
    async with context.database.begin() as connection:
        partner = await _locked(connection, principal, partner_id)
        await end_secret(connection, partner, secret_id, principal.subject)


async def _locked(connection: AsyncConnection, principal: Principal, partner_id: UUID) -> Partner:
    partner = await store.lock_partner(connection, principal.tenant_id, partner_id)
    if partner is None:
        raise not_found()
    return partner


async def _view(connection: AsyncConnection, partner: Partner) -> PartnerView:
    view = await queries.find_partner(connection, partner.tenant_id, partner.partner_id)
    if view is None:
        raise not_found()
    return view
