"""Take in what is handed over to partners (R50)."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import MemberHandedOverV1
from kit.messages import Message
from partner_gateway.cases import store
from partner_gateway.partners.store import channels


async def keep_cases(
    connection: AsyncConnection, messages: Sequence[Message[MemberHandedOverV1]]
) -> Sequence[Message[MemberHandedOverV1]]:
    """Store the handovers; return those whose partner we do not know.

    What goes to a partner with an API waits here until it is sent. A case that has ended before its
    handover came (other topic, other order) left its mark: it is not sent any more.
    """
    named = {(message.tenant_id, message.event.partner_id) for message in messages}
    known = await channels(connection, named)
    found, unknown = [], []
    for message in messages:
        channel = known.get((message.tenant_id, message.event.partner_id))
        if channel is None:
            unknown.append(message)
        else:
            found.append((message, channel))
    await store.add_cases(connection, found)
    return unknown
