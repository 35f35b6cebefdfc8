"""What the API shows of deliveries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

Status = Literal["OPEN", "DONE", "STOPPED"]


class DeliveryView(BaseModel):
    """A request to a partner."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)

    request_id: UUID
    """The same at every try: the partner knows a repetition by it."""
    kind: Literal["HANDOVER", "NOTICE"]
    status: Status
    """OPEN: tried until answered. DONE: answered. STOPPED: the partner refused it for good."""
    cases: int
    """Cases that it is about."""
    tries: int
    created_at: datetime
    last_tried_at: datetime | None
    next_try_at: datetime | None
    """When it is tried again; null when it is not."""
    last_error: str | None
    """Why the last try failed, or why it was stopped."""
    finished_at: datetime | None


_LIST = text(
    """
    SELECT request_id, kind, status, tries, created_at, last_tried_at, last_error, finished_at,
           CASE WHEN status = 'OPEN' THEN next_try_at END AS next_try_at,
           CASE WHEN kind = 'NOTICE' THEN 1
                ELSE (SELECT count(*) FROM cases
                      WHERE cases.tenant_id = deliveries.tenant_id
                        AND cases.request_id = deliveries.request_id) END AS cases
    FROM deliveries
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id
      AND (CAST(:status AS text) IS NULL OR status = :status)
      AND (CAST(:before AS uuid) IS NULL OR request_id < :before)
    ORDER BY request_id DESC
    LIMIT :limit
    """
)


async def list_deliveries(
    connection: AsyncConnection,
    tenant_id: UUID,
    partner_id: UUID,
    *,
    status: Status | None,
    before: UUID | None,
    limit: int,
) -> Sequence[DeliveryView]:
    """Return a partner's deliveries made before `before`, newest first."""
    parameters = {
        "tenant_id": tenant_id,
        "partner_id": partner_id,
        "status": status,
        "before": before,
        "limit": limit,
    }
    rows = await connection.execute(_LIST, parameters)
    return [DeliveryView.model_validate(row) for row in rows]
