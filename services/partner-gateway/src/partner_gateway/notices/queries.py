"""What the API shows of notices."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal
from partner_gateway.notices.claim_change import ClaimChange
from partner_gateway.notices.notice import Kind, Status


class NoticeView(BaseModel):
    """Something that a partner must be told, and whether it was."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)

    notice_id: UUID
    partner_id: UUID
    partner_name: str
    case_id: UUID
    run_id: UUID
    member_id: UUID
    studio_id: UUID
    kind: Kind
    """STOP: nothing may be collected any more. STUDIO_PAYMENT: something was paid at the studio.
    CLAIM_CHANGED: a claim was corrected, cancelled, or a payment at the studio taken back."""
    claim_change: ClaimChange | None
    """What the partner must know of the claim; null for STOP."""
    status: Status
    due_on: date
    by_hand: bool
    """Whether it is on staff to tell the partner; tick it off with `POST …/done`."""
    created_at: datetime
    tries: int
    """How often the partner's API was told."""
    next_try_at: datetime | None
    """When it is told again; null when it is not."""
    last_error: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    """PARTNER or STAFF."""
    done_by: str | None
    comment: str | None


_SELECT = """
    SELECT notices.notice_id, notices.partner_id, partners.name AS partner_name, notices.case_id,
           notices.run_id, notices.member_id, notices.studio_id, notices.kind, claim_change,
           notices.status, notices.due_on,
           notices.request_id IS NULL OR notices.status = 'FAILED' AS by_hand,
           notices.created_at, coalesce(deliveries.tries, 0) AS tries,
           CASE WHEN deliveries.status = 'OPEN' THEN next_try_at END AS next_try_at,
           last_error, acknowledged_at, acknowledged_by, done_by, comment
    FROM notices
    JOIN partners ON partners.tenant_id = notices.tenant_id
                 AND partners.partner_id = notices.partner_id
    LEFT JOIN deliveries ON deliveries.tenant_id = notices.tenant_id
                        AND deliveries.request_id = notices.request_id
    LEFT JOIN claim_changes ON claim_changes.tenant_id = notices.tenant_id
                           AND claim_changes.notice_id = notices.notice_id
    WHERE notices.tenant_id = :tenant_id
      AND (CAST(:studio_ids AS uuid[]) IS NULL OR notices.studio_id = ANY (:studio_ids))
"""
_ONE = text(f"{_SELECT} AND notices.notice_id = :notice_id").columns(claim_change=JSONB)
_MANY = text(
    f"""
    {_SELECT}
      AND (CAST(:status AS text) IS NULL OR notices.status = :status)
      AND (CAST(:partner_id AS uuid) IS NULL OR notices.partner_id = :partner_id)
      AND (CAST(:case_id AS uuid) IS NULL OR notices.case_id = :case_id)
      AND (CAST(:after AS uuid) IS NULL OR notices.notice_id > :after)
    ORDER BY notices.notice_id
    LIMIT :limit
    """
).columns(claim_change=JSONB)


async def find_notice(
    connection: AsyncConnection, principal: Principal, notice_id: UUID
) -> NoticeView | None:
    """Return a notice that the caller may see."""
    parameters = {**_seen_by(principal), "notice_id": notice_id}
    row = (await connection.execute(_ONE, parameters)).one_or_none()
    return None if row is None else NoticeView.model_validate(row)


async def list_notices(
    connection: AsyncConnection,
    principal: Principal,
    *,
    status: Status | None,
    partner_id: UUID | None,
    case_id: UUID | None,
    after: UUID | None,
    limit: int,
) -> Sequence[NoticeView]:
    """Return the notices behind `after` that the caller may see, oldest first."""
    parameters = {
        **_seen_by(principal),
        "status": status,
        "partner_id": partner_id,
        "case_id": case_id,
        "after": after,
        "limit": limit,
    }
    rows = await connection.execute(_MANY, parameters)
    return [NoticeView.model_validate(row) for row in rows]


def _seen_by(principal: Principal) -> dict[str, object]:
    studio_ids = None if principal.studio_ids is None else list(principal.studio_ids)
    return {"tenant_id": principal.tenant_id, "studio_ids": studio_ids}
