"""What the API shows of callbacks."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from partner_gateway.callbacks.callback import Status

OVERDUE_AFTER: Final = timedelta(days=7)
"""How long a callback may wait for its case or run until somebody should look at it."""


class CallbackView(BaseModel):
    """Something that a partner said, and what became of it."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)

    callback_id: UUID
    webhook_id: str
    """The partner's own id of it."""
    status: Status
    """RECEIVED: looked at next. WAITING: for a case or run that was not sent yet. TRANSLATED: it
    has acted. PARKED: it cannot act as it is. CONFLICT: refused, for its webhook id came with
    another body before. DISMISSED: staff settled it otherwise."""
    received_at: datetime
    reason: str | None
    """Why it is or was PARKED or CONFLICT: fields and kinds of error, never values."""
    waits_for: UUID | None
    """The case or run that it waits for since it was received."""
    overdue: bool
    """Whether it has waited for more than seven days."""
    handled_at: datetime | None
    """When it came to its status."""
    conflicts_with: UUID | None
    """Of a CONFLICT: the callback that came first."""


class Decision(BaseModel):
    """What staff did with a callback that waited for them."""

    decision: Literal["RETRIED", "DISMISSED"]
    decided_at: datetime
    decided_by: str
    comment: str | None


class CallbackDetails(CallbackView):
    """A callback with all that came; it may hold personal data."""

    headers: dict[str, str] | None
    """Null for one that came before headers were kept, and when they are forgotten."""
    body: str | None
    """As text; what is not UTF-8 is replaced. Null when it is forgotten."""
    decisions: list[Decision]
    """What staff did with it, oldest first."""


_VIEW = """
    callback_id, split_part(webhook_id, ' ', 1) AS webhook_id, status, received_at, reason,
    waits_for, status = 'WAITING' AND received_at < :overdue_before AS overdue, handled_at,
    CASE WHEN strpos(webhook_id, ' ') > 0 THEN (
        SELECT callback_id FROM callbacks AS first
        WHERE first.tenant_id = callbacks.tenant_id AND first.partner_id = callbacks.partner_id
          AND first.webhook_id = split_part(callbacks.webhook_id, ' ', 1)
    ) END AS conflicts_with
"""
_LIST = f"""
    SELECT {_VIEW} FROM callbacks
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id
      AND (CAST(:before AS uuid) IS NULL OR callback_id < :before) AND {{condition}}
    ORDER BY callback_id DESC
    LIMIT :limit
"""  # noqa: S608 - constants
# Each has its own text: only so is each planned for the index that it can use.
_ALL = text(_LIST.format(condition="true"))
_OF_STATUS = text(_LIST.format(condition="status = :status"))
_OVERDUE = text(_LIST.format(condition="status = 'WAITING' AND received_at < :overdue_before"))
_ONE = text(
    f"""
    SELECT {_VIEW}, headers, body,
           (SELECT coalesce(json_agg(json_build_object('decision', decision,
                                                       'decided_at', decided_at,
                                                       'decided_by', decided_by,
                                                       'comment', comment)
                                     ORDER BY decided_at), '[]')
            FROM callback_decisions
            WHERE callback_decisions.callback_id = callbacks.callback_id) AS decisions
    FROM callbacks
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND callback_id = :callback_id
    """  # noqa: S608 - constants
).columns(headers=JSONB)


async def list_callbacks(
    connection: AsyncConnection,
    tenant_id: UUID,
    partner_id: UUID,
    *,
    status: Status | None,
    overdue: bool,
    before: UUID | None,
    limit: int,
) -> Sequence[CallbackView]:
    """Return a partner's callbacks that came before `before`, newest first.

    `overdue`: only those that have waited for too long, whatever `status` says.
    """
    parameters: dict[str, Any] = {
        "tenant_id": tenant_id,
        "partner_id": partner_id,
        "before": before,
        "limit": limit,
        "overdue_before": now() - OVERDUE_AFTER,
    }
    if overdue:
        rows = await connection.execute(_OVERDUE, parameters)
    elif status is not None:
        rows = await connection.execute(_OF_STATUS, {**parameters, "status": status})
    else:
        rows = await connection.execute(_ALL, parameters)
    return [CallbackView.model_validate(row) for row in rows]


async def find_callback(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, callback_id: UUID
) -> CallbackDetails | None:
    """Return one callback of a tenant's partner, with its body."""
    parameters = {
        "tenant_id": tenant_id,
        "partner_id": partner_id,
        "callback_id": callback_id,
        "overdue_before": now() - OVERDUE_AFTER,
    }
    row = (await connection.execute(_ONE, parameters)).one_or_none()
    if row is None:
        return None
    body = None if row.body is None else row.body.decode(errors="replace")
    return CallbackDetails.model_validate({**row._asdict(), "body": body})
