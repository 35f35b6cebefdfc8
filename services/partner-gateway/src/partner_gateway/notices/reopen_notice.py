"""Let what a partner's API refused be sent to it again."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.notices import store


async def reopen_notice(connection: AsyncConnection, tenant_id: UUID, request_id: UUID) -> bool:
    """Let the notice that a stopped delivery tells be SENT again, in the caller's transaction.

    False when staff have told the partner by hand meanwhile: then nothing is left to be sent.
    """
    return await store.reopen(connection, tenant_id, request_id)
