"""Take in what is handed over to partners (R50)."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.messages import Message
from partner_gateway.cases import store
from partner_gateway.cases.handover import Handover
from partner_gateway.partners.partner import Channel


async def keep_cases(
    connection: AsyncConnection,
    handovers: Sequence[tuple[Message[Handover], Channel]],
) -> None:
    """Store the handovers, each with the channel of its partner; the first of each case counts.

    What goes to a partner with an API waits here until it is sent. A case that has ended before its
    handover came (other topic, other order) left its mark: it is not sent any more.
    """
    first: dict[tuple[UUID, UUID], tuple[Message[Handover], Channel]] = {}
    for message, channel in handovers:
        first.setdefault((message.tenant_id, message.event.case_id), (message, channel))
    if first:
        await store.add_cases(connection, list(first.values()))
