"""End a partner's secret at once (R51)."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from kit.problems import define, not_found, problem
from partner_gateway.partners import store
from partner_gateway.partners.partner import Partner

LAST_SECRET = define(
    "last-secret",
    409,
    "The partner would be left without a secret",
    "Make another one first, and give it to the partner. Secrets that are set to end do not count.",
)


async def end_secret(
    connection: AsyncConnection, partner: Partner, secret_id: UUID, ended_by: str
) -> None:
    """End a secret whose partner's row the caller holds; one that has ended stays as it is.

    Its text is deleted; who made and who ended it is kept. Raises the 404 for one that never was,
    and the 409 where no other one would stay valid: nobody could sign any more.
    """
    valid = await store.lock_valid_secrets(connection, partner)
    if secret_id not in valid:
        if not await store.has_ended(connection, partner, secret_id):
            raise not_found()
        return
    if all(ends_at is not None for other, ends_at in valid.items() if other != secret_id):
        raise problem(LAST_SECRET)
    await store.end_secret(connection, partner, secret_id, now(), ended_by)
