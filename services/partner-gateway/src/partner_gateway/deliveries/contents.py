"""What requests say: read anew for each try, and the same every time."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.adapters.adapter import HandoverPage, Notice
from partner_gateway.notices.claim_change import ClaimChange

_ITEMS = text(
    """
    SELECT request_id, run_id, run_booking_number, collection_date,
           array_agg(item ORDER BY booking_number, case_id) AS items
    FROM cases
    WHERE tenant_id = :tenant_id AND request_id = ANY (CAST(:request_ids AS uuid[]))
    GROUP BY request_id, run_id, run_booking_number, collection_date
    """
)
_NOTICES = text(
    """
    SELECT notices.request_id, notice_id, notices.kind, notices.case_id, claim_change
    FROM notices LEFT JOIN claim_changes USING (tenant_id, notice_id)
    WHERE tenant_id = :tenant_id AND notices.request_id = ANY (CAST(:request_ids AS uuid[]))
    """
).columns(claim_change=JSONB)


async def find_contents(
    connection: AsyncConnection, tenant_id: UUID, handovers: Sequence[UUID], notices: Sequence[UUID]
) -> dict[UUID, HandoverPage | Notice]:
    """Return what the requests with these ids say, by their ids."""
    return {
        **await _pages(connection, tenant_id, handovers),
        **await _notices(connection, tenant_id, notices),
    }


async def _pages(
    connection: AsyncConnection, tenant_id: UUID, request_ids: Sequence[UUID]
) -> dict[UUID, HandoverPage]:
    rows = await _of_requests(connection, _ITEMS, tenant_id, request_ids)
    return {
        row.request_id: HandoverPage(
            row.run_id, row.run_booking_number, row.collection_date, row.items
        )
        for row in rows
    }


async def _notices(
    connection: AsyncConnection, tenant_id: UUID, request_ids: Sequence[UUID]
) -> dict[UUID, Notice]:
    rows = await _of_requests(connection, _NOTICES, tenant_id, request_ids)
    return {
        row.request_id: Notice(
            row.notice_id,
            row.kind,
            row.case_id,
            row.claim_change and ClaimChange.model_validate(row.claim_change),
        )
        for row in rows
    }


async def _of_requests(
    connection: AsyncConnection, query: Any, tenant_id: UUID, request_ids: Sequence[UUID]
) -> Sequence[Any]:
    if not request_ids:
        return []
    parameters = {"tenant_id": tenant_id, "request_ids": request_ids}
    return (await connection.execute(query, parameters)).all()
