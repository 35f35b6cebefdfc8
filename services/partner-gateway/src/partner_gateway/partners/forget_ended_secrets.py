"""Delete the texts of secrets whose time is over; who made and who ended them is kept."""

from typing import Final

from kit.context import Context
from partner_gateway.partners import store
from partner_gateway.settings import Settings

WORKER: Final = "forget ended secrets"
"""The worker that does this."""


async def forget_ended_secrets(context: Context[Settings]) -> bool:
    """Move all that have ended to the record; there is never more to do at once.

    Nothing waits for it: an ended secret is not used, whether or not its text is still there.
    """
    async with context.database.begin() as connection:
        await store.record_ended_secrets(connection)
    return False
