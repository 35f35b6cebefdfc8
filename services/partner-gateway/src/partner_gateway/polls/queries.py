"""What the API shows of polls."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.adapters import POLLED


class PollView(BaseModel):
    """How a partner is asked that does not call back."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)

    partner_id: UUID
    last_asked_at: datetime | None
    """Null: never yet."""
    last_answered_at: datetime | None
    """When it last gave an answer that could be read."""
    failures: int
    """Tries without such an answer since."""
    last_error: str | None
    """Why the last try failed; null when it did not."""
    next_ask_at: datetime | None
    """When it is asked next, unless it is paused or has no secret; null: at once."""


_FIND = text(
    """
    SELECT partner_id, last_asked_at, last_answered_at, coalesce(failures, 0) AS failures,
           last_error, next_ask_at
    FROM partners LEFT JOIN polls USING (tenant_id, partner_id)
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id
      AND channel = 'API' AND api = ANY (CAST(:apis AS text[]))
    """
)


async def find_poll(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID
) -> PollView | None:
    """Return how a tenant's partner is asked; None when there is none that is."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id, "apis": list(POLLED)}
    row = (await connection.execute(_FIND, parameters)).one_or_none()
    return None if row is None else PollView.model_validate(row)
