"""Take in what is to be handed over to partners with an API (R50)."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import MemberHandedOverV1
from kit.messages import Message
from partner_gateway.deliveries import store
from partner_gateway.partners.partner import Channel
from partner_gateway.partners.store import channels


async def queue_handovers(
    connection: AsyncConnection, messages: Sequence[Message[MemberHandedOverV1]]
) -> Sequence[Message[MemberHandedOverV1]]:
    """Store the handovers until they are sent; return those whose partner we do not know.

    What goes to a partner by hand is none of our business. A case that has ended before its
    handover came (other topic, other order) left its mark: its handover is dropped here.
    """
    named = {(message.tenant_id, message.event.partner_id) for message in messages}
    known = await channels(connection, named)
    for_api, unknown = [], []
    for message in messages:
        channel = known.get((message.tenant_id, message.event.partner_id))
        if channel is None:
            unknown.append(message)
        elif channel is Channel.API:
            for_api.append(message)
    await store.add_cases(connection, for_api)
    return unknown
