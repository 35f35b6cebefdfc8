"""All SQL about callbacks that wait for a case or a run to be sent to a partner."""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_NEW_PAGES = text(
    """
    SELECT tenant_id, partner_id, request_id FROM deliveries
    WHERE kind = 'HANDOVER' AND NOT callbacks_released
    ORDER BY request_id
    LIMIT :limit
    """
)
# A callback waits for a case, or a run, to be given to whoever; to whom is judged afterwards. The
# offset makes it one look into an index for each case, however many callbacks wait for others.
_FREED = """
    SELECT waiting.*
    FROM (
        SELECT tenant_id, unnest(ARRAY[case_id, run_id]) AS waits_for
        FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:request_ids AS uuid[]))
             AS pages (tenant_id, request_id)
        JOIN cases USING (tenant_id, request_id)
        GROUP BY 1, 2
    ) AS sent CROSS JOIN LATERAL (
        SELECT callback_id, tenant_id, partner_id FROM callbacks
        WHERE status = 'WAITING' AND callbacks.tenant_id = sent.tenant_id
          AND callbacks.waits_for = sent.waits_for
        OFFSET 0
    ) AS waiting
"""
_LOCK_PARTNERS = text(
    f"""
    SELECT tenant_id, partner_id FROM partners
    WHERE (tenant_id, partner_id) IN (
        SELECT tenant_id, partner_id
        FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:partner_ids AS uuid[]))
             AS pages (tenant_id, partner_id)
        UNION
        SELECT tenant_id, partner_id FROM ({_FREED}) AS freed)
    ORDER BY partner_id
    FOR NO KEY UPDATE
    """  # noqa: S608 - constants
)
_RELEASE = text(
    f"""
    UPDATE callbacks SET status = 'RECEIVED', waits_for = NULL
    WHERE callback_id IN (
        SELECT callback_id FROM ({_FREED}) AS freed
        WHERE (tenant_id, partner_id) IN (
            SELECT * FROM unnest(CAST(:locked_tenant_ids AS uuid[]),
                                 CAST(:locked_partner_ids AS uuid[]))))
    """  # noqa: S608 - constants
)
# Never waits for who holds a page: a look at it more does no harm.
_MARK_PAGES = text(
    """
    UPDATE deliveries SET callbacks_released = true
    WHERE request_id IN (
        SELECT request_id FROM deliveries
        WHERE request_id = ANY (CAST(:request_ids AS uuid[]))
        FOR NO KEY UPDATE SKIP LOCKED)
    """
)
_PARK = text(
    """
    UPDATE callbacks
    SET status = 'PARKED', reason = :reason, waits_for = NULL, handled_at = :now
    WHERE callback_id IN (
        SELECT callback_id FROM callbacks
        WHERE status = 'WAITING' AND handled_at < :waiting_since
        ORDER BY handled_at
        LIMIT :limit
        FOR UPDATE SKIP LOCKED)
    """
)


async def release_callbacks(connection: AsyncConnection, limit: int) -> tuple[int, int]:
    """Let callbacks be looked at again that waited for what is on pages formed since.

    Returns how many pages it looked at, up to `limit`, and how many callbacks it released. Looks
    at all tenants. Holds the partners, so that nothing is translated meanwhile that one of them
    said later. That of each page is held, whether or not something waits: what began to wait
    before the page could be seen is stored then.
    """
    pages = (await connection.execute(_NEW_PAGES, {"limit": limit})).all()
    if not pages:
        return 0, 0
    parameters: dict[str, Any] = {
        "tenant_ids": [page.tenant_id for page in pages],
        "partner_ids": [page.partner_id for page in pages],
        "request_ids": [page.request_id for page in pages],
    }
    locked = (await connection.execute(_LOCK_PARTNERS, parameters)).all()
    released = await connection.execute(
        _RELEASE,
        {
            "tenant_ids": parameters["tenant_ids"],
            "request_ids": parameters["request_ids"],
            "locked_tenant_ids": [partner.tenant_id for partner in locked],
            "locked_partner_ids": [partner.partner_id for partner in locked],
        },
    )
    await connection.execute(_MARK_PAGES, {"request_ids": parameters["request_ids"]})
    return len(pages), released.rowcount


async def park_waiting_callbacks(
    connection: AsyncConnection, reason: str, waiting_since: datetime, now: datetime, limit: int
) -> int:
    """Let staff decide on what has waited since before then; return on how many."""
    parameters = {"reason": reason, "waiting_since": waiting_since, "now": now, "limit": limit}
    return (await connection.execute(_PARK, parameters)).rowcount
