"""Make a secret that a partner and the gateway sign with (R51)."""

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from kit.ids import new_id
from kit.problems import define, problem
from partner_gateway.partners import store
from partner_gateway.partners.partner import Channel, Partner
from partner_gateway.partners.queries import SecretView
from partner_gateway.sealing import Seal
from partner_gateway.standard_webhooks import new_secret

WITHOUT_API = define(
    "partner-without-api",
    409,
    "The partner has no API",
    "Make secrets for partners with an API only; a partner by hand signs nothing.",
)


async def create_secret(
    connection: AsyncConnection, partner: Partner, seal: Seal, created_by: str
) -> tuple[SecretView, str]:
    """Store a new secret, sealed; return what may be told of it for good, and its text.

    The text is for the answer to the one who asked, once; it is kept nowhere in the clear. Raises
    the 409 for a partner by hand, which signs nothing.
    """
    if partner.channel is not Channel.API:
        raise problem(WITHOUT_API)
    secret = new_secret()
    view = SecretView(secret_id=new_id(), created_at=now())
    await store.insert_secret(
        connection, partner, view.secret_id, seal.close(secret), view.created_at, created_by
    )
    return view, secret
