"""All SQL about polls."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.adapters import POLLED, Api
from partner_gateway.partners.store import IS_VALID


@dataclass(frozen=True, slots=True)
class Poll:
    """A partner that is ours to ask now."""

    tenant_id: UUID
    partner_id: UUID
    api: Api
    base_url: str
    sealed_api_token: bytes | None
    sealed_secrets: Sequence[bytes]
    cursor: str | None
    asks: int
    """With the one that is made now."""
    failures: int
    """Tries since the partner answered last."""


_IS_POLLED: Final = "(partners.channel = 'API' AND partners.api = ANY (CAST(:apis AS text[])))"
_ADD_NEW = text(
    f"""
    INSERT INTO polls (tenant_id, partner_id, next_ask_at)
    SELECT tenant_id, partner_id, :now FROM partners
    WHERE {_IS_POLLED}
      AND NOT EXISTS (SELECT FROM polls
                      WHERE polls.tenant_id = partners.tenant_id
                        AND polls.partner_id = partners.partner_id)
    ORDER BY tenant_id, partner_id
    ON CONFLICT (tenant_id, partner_id) DO NOTHING
    """  # noqa: S608 - constants
)
# A paused partner is not called; all that it says meanwhile waits behind the cursor.
_CLAIM = text(
    f"""
    WITH due AS (
        SELECT tenant_id, partner_id, api, base_url, sealed_api_token
        FROM polls JOIN partners USING (tenant_id, partner_id)
        WHERE next_ask_at <= :now AND partners.status = 'ACTIVE'
          AND EXISTS (SELECT FROM secrets
                      WHERE secrets.tenant_id = polls.tenant_id
                        AND secrets.partner_id = polls.partner_id AND {IS_VALID})
        ORDER BY next_ask_at
        LIMIT :limit
        FOR UPDATE OF polls SKIP LOCKED
    )
    UPDATE polls
    SET asks = asks + 1, last_asked_at = :now, next_ask_at = :unknown_until
    FROM due
    WHERE polls.tenant_id = due.tenant_id AND polls.partner_id = due.partner_id
    RETURNING polls.tenant_id, polls.partner_id, api, base_url, sealed_api_token,
              (SELECT array_agg(sealed_secret ORDER BY secret_id) FROM secrets
               WHERE secrets.tenant_id = polls.tenant_id
                 AND secrets.partner_id = polls.partner_id AND {IS_VALID}) AS sealed_secrets,
              cursor, asks, failures
    """  # noqa: S608 - constants
)
_ADVANCE = text(
    """
    UPDATE polls
    SET cursor = :cursor, failures = 0, last_error = NULL, last_answered_at = :now,
        next_ask_at = :next_ask_at
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND asks = :asks
    """
)
_POSTPONE = text(
    """
    UPDATE polls
    SET failures = failures + 1, last_error = :error, next_ask_at = :next_ask_at
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND asks = :asks
    """
)
_ASK_NOW = text(
    """
    UPDATE polls SET next_ask_at = :now WHERE tenant_id = :tenant_id AND partner_id = :partner_id
    """
)


async def claim(
    connection: AsyncConnection, limit: int, now: datetime, unknown_until: datetime
) -> Sequence[Poll]:
    """Take partners whose time to be asked has come, of all tenants: this is work.

    Until `unknown_until` nobody else asks them; if we die before, they are asked again then. Left
    out is who is paused, and who has no secret: nothing can be signed for it yet.
    """
    await connection.execute(_ADD_NEW, {"apis": list(POLLED), "now": now})
    parameters = {"limit": limit, "now": now, "unknown_until": unknown_until}
    rows = await connection.execute(_CLAIM, parameters)
    return [Poll(**{**row._asdict(), "api": Api(row.api)}) for row in rows]


async def advance(
    connection: AsyncConnection, poll: Poll, cursor: str, now: datetime, next_ask_at: datetime
) -> bool:
    """Store how far a partner was asked; False when somebody else has asked it since.

    Then nothing of what it said to us may be stored: the other one gets it, too.
    """
    parameters = {**_key(poll), "cursor": cursor, "now": now, "next_ask_at": next_ask_at}
    return (await connection.execute(_ADVANCE, parameters)).rowcount == 1


async def postpone(
    connection: AsyncConnection, poll: Poll, error: str, next_ask_at: datetime
) -> None:
    """Store why asking failed, and when it is tried again; the cursor stays."""
    parameters = {**_key(poll), "error": error, "next_ask_at": next_ask_at}
    await connection.execute(_POSTPONE, parameters)


async def ask_now(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, now: datetime
) -> None:
    """Let a partner be asked as soon as a worker is free; who is new is asked then anyway."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id, "now": now}
    await connection.execute(_ASK_NOW, parameters)


def _key(poll: Poll) -> dict[str, object]:
    return {"tenant_id": poll.tenant_id, "partner_id": poll.partner_id, "asks": poll.asks}
