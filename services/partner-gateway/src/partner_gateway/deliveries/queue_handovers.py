"""Take in what is to be handed over to partners with an API (R50)."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import MemberHandedOverV1
from kit.messages import Message
from partner_gateway.deliveries import store


async def queue_handovers(
    connection: AsyncConnection, messages: Sequence[Message[MemberHandedOverV1]]
) -> Sequence[Message[MemberHandedOverV1]]:
    """Store the handovers until they are sent; return those whose partner we do not know.

    What goes to a partner by hand is none of our business. A case that has ended before its
    handover came (other topic, other order) left its mark: its handover is dropped here.
    """
    for_api = [message for message in messages if message.event.partner_channel == "API"]
    if not for_api:
        return []
    named = {(message.tenant_id, message.event.partner_id) for message in for_api}
    known = await store.known_partners(connection, sorted(named))
    by_known = {
        is_known: [
            message
            for message in for_api
            if ((message.tenant_id, message.event.partner_id) in known) is is_known
        ]
        for is_known in (True, False)
    }
    if by_known[True]:
        await store.add_cases(connection, by_known[True])
    return by_known[False]
