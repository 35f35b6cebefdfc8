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
    of_known, of_unknown = [], []
    for message in messages:
        is_known = (message.tenant_id, message.event.partner_id) in known
        (of_known if is_known else of_unknown).append(message)
    await store.set_file_numbers(connection, of_known)
    return of_unknown
