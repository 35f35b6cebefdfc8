"""Take in what a partner calls back (R51): check the signature, store it, nothing else."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from kit.ids import new_id
from kit.problems import define, problem
from kit.trace import Cause, current_correlation_id, current_traceparent
from partner_gateway import standard_webhooks
from partner_gateway.callbacks import store
from partner_gateway.callbacks.store import Callback
from partner_gateway.partners.store import secrets_for_callback
from partner_gateway.sealing import Seal
from partner_gateway.standard_webhooks import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER

WRONG_SIGNATURE = define(
    "wrong-signature",
    401,
    "The signature does not fit",
    "Sign after Standard Webhooks, with the secret of this partner and a clock that is right.",
)
WEBHOOK_ID_REUSED = define(
    "webhook-id-reused",
    422,
    "This webhook-id came with another body before",
    "Send each new message under a new `webhook-id`, and a repeated one unchanged.",
)

# Signed with by nobody: an unknown partner takes the same way, and as long, as a wrong signature.
_DECOY = standard_webhooks.new_secret()


async def receive_callback(
    connection: AsyncConnection,
    partner_id: UUID,
    headers: Mapping[str, str],
    body: bytes,
    seal: Seal,
) -> None:
    """Store a callback that is signed right; the same one again changes nothing.

    Raises one and the same 401 for an unknown partner, a wrong signature and a timestamp out of
    tolerance, and the 422 for another body under a webhook id that was used.
    """
    found = await secrets_for_callback(connection, partner_id)
    secrets = [seal.open(sealed) for _, sealed in found] or [_DECOY]
    received_at = now()
    if not standard_webhooks.verify(secrets, headers, body, received_at) or not found:
        raise problem(WRONG_SIGNATURE)
    tenant_id, _ = found[0]
    callback = Callback(
        callback_id=new_id(),
        partner_id=partner_id,
        webhook_id=headers[ID_HEADER],
        webhook_timestamp=headers[TIMESTAMP_HEADER],
        webhook_signature=headers[SIGNATURE_HEADER],
        body=body,
        received_at=received_at,
        cause=Cause(tenant_id, current_correlation_id(), current_traceparent()),
    )
    if await store.insert_callback(connection, callback):
        return
    earlier = await store.body_of_callback(connection, tenant_id, partner_id, callback.webhook_id)
    if earlier != body:
        raise problem(WEBHOOK_ID_REUSED)
