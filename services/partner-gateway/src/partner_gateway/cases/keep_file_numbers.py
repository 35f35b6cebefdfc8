"""Take in the file numbers of cases: texts for partners and their report files name them."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import CaseFileNumberSetV1
from kit.messages import Message
from partner_gateway.cases import store


async def keep_file_numbers(
    connection: AsyncConnection, messages: Sequence[Message[CaseFileNumberSetV1]]
) -> None:
    """Store the numbers; the last message about a case counts."""
    last = {(message.tenant_id, message.event.case_id): message for message in messages}
    if last:
        await store.set_file_numbers(connection, list(last.values()))
