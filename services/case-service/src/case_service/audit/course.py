"""The course of some cases: their entries in the order of their history, in temporary tables.

`audit_lines`: each entry, with the item of its case's history that tells it (None when there is
none). `is_old` marks those from before the history named entries. `audit_moments`: for each item,
what it did to claims, and what was open and collected afterwards; an item about all claims has a
row for each, one about a payment a row without a claim, too.
"""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.audit.difference import IN_RANGE, Range

_CREATE: Final = (
    """
    CREATE TEMPORARY TABLE audit_lines (
        tenant_id uuid, case_id uuid, entry_number bigint, posting_id uuid, account text,
        claim_id uuid, payment_id uuid, kind text, amount numeric, item_number bigint,
        item_kind text, is_old boolean
    ) ON COMMIT DROP
    """,
    """
    CREATE TEMPORARY TABLE audit_moments (
        tenant_id uuid, case_id uuid, item_number bigint, kind text, claim_id uuid, change numeric,
        paid numeric, written_off numeric, claim_open numeric, claim_collected numeric,
        case_open numeric, case_collected numeric
    ) ON COMMIT DROP
    """,
)

_LINES: Final = f"""
    INSERT INTO audit_lines
    SELECT tenant_id, case_id, entry.entry_number, posting_id, entry.account, entry.claim_id,
           entry.payment_id, entry.kind, entry.amount, item.item_number, item.kind,
           old.recorded_at IS NOT NULL
               OR entry.actor = 'case-service' AND entry.correlation_id = 'migration'
    FROM (SELECT * FROM entries WHERE {IN_RANGE}) AS entry
    LEFT JOIN (
        SELECT tenant_id, case_id, posting_id, min(item_number) AS item_number,
               min(kind) AS kind
        FROM history WHERE {IN_RANGE} AND posting_id IS NOT NULL
        GROUP BY tenant_id, case_id, posting_id
    ) AS item USING (tenant_id, case_id, posting_id)
    LEFT JOIN (
        SELECT DISTINCT tenant_id, case_id, recorded_at FROM history
        WHERE {IN_RANGE} AND posting_id IS NULL
          AND kind IN ('HANDED_OVER', 'PAYMENT_BOOKED', 'PAYMENT_REDUCED')
    ) AS old USING (tenant_id, case_id, recorded_at)
"""  # noqa: S608 - constants

# Cases come first in keys: tenants are few, and sorting by them tells little.
_MOMENTS: Final = f"""
    INSERT INTO audit_moments
    SELECT tenant_id, case_id, item_number, kind, claim_id, change, paid, written_off,
           sum(change) OVER of_claim, sum(paid) OVER of_claim,
           sum(change) OVER of_case, sum(paid) OVER of_case
    FROM (
        SELECT tenant_id, case_id, item_number, min(kind) AS kind, claim_id,
               sum(change) AS change, sum(paid) AS paid, sum(written_off) AS written_off
        FROM (
            SELECT tenant_id, case_id, coalesce(item_number, 0) AS item_number,
                   item_kind AS kind, claim_id, amount AS change,
                   CASE WHEN payment_id IS NULL THEN 0.00 ELSE -amount END AS paid,
                   CASE WHEN kind = 'WRITTEN_OFF' THEN -amount ELSE 0.00 END AS written_off
            FROM audit_lines WHERE account = 'CLAIM'
            UNION ALL
            SELECT tenant_id, case_id, item_number, kind, claim_id, 0.00, 0.00, 0.00
            FROM (
                SELECT * FROM history
                WHERE {IN_RANGE} AND kind IN ('OPENED', 'REJECTED', 'CLOSED', 'CANCELLED')
            ) AS item
            JOIN (
                SELECT tenant_id, case_id, claim_id FROM case_claims WHERE {IN_RANGE}
            ) AS claim USING (tenant_id, case_id)
            UNION ALL
            SELECT tenant_id, case_id, item_number, kind, NULL, 0.00, 0.00, 0.00
            FROM history
            WHERE {IN_RANGE} AND kind IN ('PAYMENT_BOOKED', 'PAYMENT_REDUCED')
        ) AS part
        GROUP BY item_number, claim_id, case_id, tenant_id
    ) AS moment
    WINDOW of_claim AS (PARTITION BY case_id, tenant_id, claim_id ORDER BY item_number),
           of_case AS (PARTITION BY case_id, tenant_id ORDER BY item_number)
"""  # noqa: S608


async def prepare_course(connection: AsyncConnection) -> None:
    """Make the tables, for this transaction."""
    for statement in _CREATE:
        await connection.execute(text(statement))


async def follow_lines(connection: AsyncConnection, bounds: Range) -> None:
    """Fill `audit_lines` with the cases of a range."""
    await connection.execute(text("TRUNCATE audit_lines"))
    await connection.execute(text(_LINES), bounds)
    await connection.execute(text("ANALYZE audit_lines"))


async def follow_moments(connection: AsyncConnection, bounds: Range) -> None:
    """Fill `audit_moments` with the cases of a range, whose lines are there."""
    await connection.execute(text("TRUNCATE audit_moments"))
    await connection.execute(text(_MOMENTS), bounds)
    await connection.execute(text("ANALYZE audit_moments"))
