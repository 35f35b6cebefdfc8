"""Take in the file numbers of cases: texts for partners and their report files name them."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import CaseFileNumberSetV1
from kit.messages import Message
from partner_gateway.cases import store
from partner_gateway.partners.store import channels


async def keep_file_numbers(
    connection: AsyncConnection, messages: Sequence[Message[CaseFileNumberSetV1]]
) -> Sequence[Message[CaseFileNumberSetV1]]:
    """Store the numbers; return what names a partner that the tenant does not have."""
    named = {(message.tenant_id, message.event.partner_id) for message in messages}
    known = await channels(connection, named)

    def is_known(message: Message[CaseFileNumberSetV1]) -> bool:
        return (message.tenant_id, message.event.partner_id) in known

    await store.set_file_numbers(connection, [each for each in messages if is_known(each)])
    return [each for each in messages if not is_known(each)]
