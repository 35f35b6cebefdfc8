"""Make a secret that a partner and the gateway sign with (R51)."""

from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from kit.http import Body
from kit.ids import new_id
from kit.problems import define, problem, unprocessable
from partner_gateway.partners import store
from partner_gateway.partners.partner import Channel, Partner
from partner_gateway.partners.queries import SecretView
from partner_gateway.partners.store import SealedSecret
from partner_gateway.sealing import Seal
from partner_gateway.standard_webhooks import new_secret

MAX_VALID: Final = 5
"""Secrets of one partner at the same time: each one more is tried on every callback."""

LONGEST_OVERLAP: Final = timedelta(days=30)
"""How far ahead older secrets may be set to end."""

WITHOUT_API = define(
    "partner-without-api",
    409,
    "The partner has no API",
    "Make secrets for partners with an API only; a partner by hand signs nothing.",
)
TOO_MANY_SECRETS = define(
    "too-many-secrets",
    409,
    "The partner has five valid secrets",
    "End one that is not used any more, then make another one.",
)


class SecretOrder(Body):
    """A secret to be made."""

    others_end_at: AwareDatetime | None = None
    """When the partner's older secrets end, at most 30 days ahead; left out: they stay as they are.

    A secret that ends before that anyway keeps its time.
    """


async def create_secret(
    connection: AsyncConnection, partner: Partner, order: SecretOrder, seal: Seal, created_by: str
) -> tuple[SecretView, str]:
    """Store a new secret, sealed; return what may be told of it for good, and its text.

    The caller holds the partner's row. The text is for the answer to the one who asked, once; it
    is kept nowhere in the clear. Raises a 409 for a partner by hand, which signs nothing, and for
    one that has `MAX_VALID`; the 422 for a time that is over, or too far away.
    """
    if partner.channel is not Channel.API:
        raise problem(WITHOUT_API)
    created_at = now()
    if order.others_end_at is not None:
        _check(order.others_end_at, created_at)
    if len(await store.lock_valid_secrets(connection, partner)) >= MAX_VALID:
        raise problem(TOO_MANY_SECRETS)
    if order.others_end_at is not None:
        await store.let_secrets_end(connection, partner, order.others_end_at, created_by)
    text = new_secret()
    secret = SealedSecret(new_id(), seal.close(text), seal.key_id, created_at, created_by)
    await store.insert_secret(connection, partner, secret)
    view = SecretView(
        secret_id=secret.secret_id, created_at=created_at, created_by=created_by, ends_at=None
    )
    return view, text


def _check(others_end_at: datetime, created_at: datetime) -> None:
    if others_end_at < created_at:
        raise unprocessable("others_end_at", "Must not be over")
    if others_end_at > created_at + LONGEST_OVERLAP:
        raise unprocessable("others_end_at", "Must be at most 30 days ahead")
