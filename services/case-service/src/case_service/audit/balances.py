"""Checks of what is kept beside the entries: claims, cases, payments, and what the history tells.

Each is a statement on the cases of a range, and returns differences. `audit.course` says what
`audit_lines` and `audit_moments` are.
"""

from typing import Final

from sqlalchemy import text

from case_service.audit.difference import IN_RANGE
from case_service.audit.recomputed import CASES, CLAIMS, PAYMENTS, RESIDUALS, STATES, WAYS

# Entries of one posting may belong to several cases, so in one of them they need not balance. The
# case with the lowest id reports it.
_POSTINGS: Final = """
    SELECT part.tenant_id, part.case_id, 'posting ' || part.posting_id || ' sum',
           CAST(whole.total AS text), '0.00'
    FROM (
        SELECT tenant_id, posting_id, case_id
        FROM audit_lines GROUP BY tenant_id, posting_id, case_id HAVING sum(amount) <> 0
    ) AS part
    CROSS JOIN LATERAL (
        SELECT sum(amount) AS total, (array_agg(case_id ORDER BY case_id))[1] AS case_id
        FROM entries AS entry
        WHERE (entry.tenant_id, entry.posting_id) = (part.tenant_id, part.posting_id)
    ) AS whole
    WHERE whole.total <> 0 AND part.case_id = whole.case_id
"""

# Each entry was made by something that the history of its case tells. Money that a payment has
# moved on other cases only is told there, with the entries on their claims.
_UNTOLD: Final = """
    SELECT tenant_id, case_id, 'posting ' || posting_id || ' of ' || min(kind),
           'not in the history', 'in it'
    FROM audit_lines AS line
    WHERE item_number IS NULL AND NOT is_old AND (
        account = 'CLAIM'
        OR (SELECT count(*) FROM entries AS entry
            WHERE (entry.tenant_id, entry.posting_id) = (line.tenant_id, line.posting_id)
              AND entry.account = 'CLAIM') = 0
    )
    GROUP BY tenant_id, case_id, posting_id
"""

_HISTORY: Final = f"""
    SELECT tenant_id, case_id, 'posting ' || posting_id || ' of ' || min(item.kind),
           count(*) || ' times in the history, ' || count(line.case_id) || ' with entries',
           'once, with entries'
    FROM (SELECT * FROM history WHERE {IN_RANGE} AND posting_id IS NOT NULL) AS item
    LEFT JOIN (SELECT DISTINCT tenant_id, case_id, posting_id FROM audit_lines) AS line
        USING (tenant_id, case_id, posting_id)
    GROUP BY tenant_id, case_id, posting_id
    HAVING count(*) <> 1 OR count(line.tenant_id) <> 1
"""  # noqa: S608 - constants

_CLAIMS: Final = f"""
    SELECT tenant_id, case_id, 'claim ' || claim_id || compared.what,
           CAST(compared.kept AS text), CAST(compared.recomputed AS text)
    FROM (SELECT * FROM case_claims WHERE {IN_RANGE}) AS claim
    FULL JOIN ({CLAIMS}) AS entries USING (tenant_id, case_id, claim_id)
    CROSS JOIN LATERAL (VALUES
        (' rows in the case', num_nulls(entries.open), num_nulls(claim.open)),
        (' handed over', claim.handed_over, entries.handed_over),
        (' changed', claim.changed, entries.changed),
        (' collected', claim.collected, entries.collected),
        (' written off', claim.written_off, entries.written_off),
        (' released', claim.released, entries.released),
        (' open', claim.open, entries.open),
        (' times handed over', entries.handovers, 1),
        (' lowest below zero', least(entries.lowest, 0), 0)
    ) AS compared (what, kept, recomputed)
    WHERE compared.kept <> compared.recomputed
"""  # noqa: S608

_CASES: Final = f"""
    SELECT tenant_id, case_id, compared.what, compared.kept, compared.recomputed
    FROM (SELECT * FROM cases WHERE {IN_RANGE}) AS kept
    FULL JOIN ({CASES}) AS entries USING (tenant_id, case_id)
    LEFT JOIN (
        SELECT tenant_id, case_id, count(*) AS number FROM case_claims WHERE {IN_RANGE}
        GROUP BY tenant_id, case_id
    ) AS claim USING (tenant_id, case_id)
    CROSS JOIN LATERAL (VALUES
        ('case', CASE WHEN kept.open IS NULL THEN 'missing' ELSE 'there' END,
         CASE WHEN entries.open IS NULL THEN 'missing' ELSE 'there' END),
        ('claims', CASE WHEN claim.number IS NULL THEN 'none' END, 'at least one'),
        ('handed over', CAST(kept.handed_over AS text), CAST(entries.handed_over AS text)),
        ('collected', CAST(kept.collected AS text), CAST(entries.collected AS text)),
        ('open', CAST(kept.open AS text), CAST(entries.open AS text)),
        ('unallocated', CAST(kept.unallocated AS text), CAST(entries.unallocated AS text)),
        ('written off', CAST(kept.written_off AS text), CAST(entries.written_off AS text)),
        ('currency', kept.currency, entries.currency),
        ('currency', kept.currency, entries.other_currency)
    ) AS compared (what, kept, recomputed)
    WHERE compared.kept <> compared.recomputed
"""  # noqa: S608

_PAYMENTS: Final = f"""
    SELECT tenant_id, case_id, 'payment ' || payment_id || compared.what, compared.kept,
           compared.recomputed
    FROM (SELECT * FROM payments WHERE {IN_RANGE}) AS kept
    FULL JOIN ({PAYMENTS}) AS entries USING (tenant_id, case_id, payment_id)
    FULL JOIN (
        SELECT tenant_id, case_id, CAST(details ->> 'payment_id' AS uuid) AS payment_id,
               count(*) FILTER (WHERE kind = 'PAYMENT_BOOKED') AS times,
               min(CAST(posting_id AS text)) AS posting_id,
               min(details ->> 'own_fees') AS booked_own_fees,
               min(details ->> 'booking_date') AS booking_date,
               min(details ->> 'partner_reference') AS partner_reference,
               (array_agg(coalesce(details ->> 'own_fees_after', details ->> 'own_fees')
                          ORDER BY item_number DESC))[1] AS own_fees
        FROM history WHERE {IN_RANGE} AND kind IN ('PAYMENT_BOOKED', 'FEES_CORRECTED')
        GROUP BY tenant_id, case_id, details ->> 'payment_id'
    ) AS told USING (tenant_id, case_id, payment_id)
    CROSS JOIN LATERAL (VALUES
        ('', CASE WHEN kept.amount IS NULL THEN 'missing' ELSE 'there' END,
         CASE WHEN entries.amount IS NULL THEN 'missing' ELSE 'there' END),
        (' times booked', CAST(coalesce(told.times, 0) AS text), '1'),
        (' booked by posting', told.posting_id, CAST(entries.posting_id AS text)),
        (' amount', CAST(kept.amount AS text), CAST(entries.amount AS text)),
        (' booked amount', CAST(kept.booked_amount AS text), CAST(entries.booked_amount AS text)),
        (' unallocated', CAST(kept.unallocated AS text), CAST(entries.unallocated AS text)),
        (' paid out', CAST(kept.paid_out AS text), CAST(entries.paid_out AS text)),
        (' shortfall', CAST(kept.shortfall AS text), CAST(entries.shortfall AS text)),
        (' own fees', CAST(kept.own_fees AS text), told.own_fees),
        -- The first and the last day of all, which a partner may name, are kept as infinities:
        -- that is how the driver writes them, and what it reads as these days again.
        (' booking date',
         CASE kept.booking_date WHEN '-infinity' THEN '0001-01-01' WHEN 'infinity' THEN '9999-12-31'
                                ELSE CAST(kept.booking_date AS text) END,
         told.booking_date),
        (' partner reference', coalesce(kept.partner_reference, 'none'),
         coalesce(told.partner_reference, 'none')),
        (' booked own fees', CAST(kept.booked_own_fees AS text), told.booked_own_fees),
        (' currency', kept.currency, entries.currency)
    ) AS compared (what, kept, recomputed)
    WHERE compared.kept <> compared.recomputed
"""  # noqa: S608

_SHARES: Final = """
    SELECT tenant_id, case_id, 'share of payment ' || payment_id || ' on claim ' || claim_id,
           CAST(-sum(amount) AS text), 'at least 0.00'
    FROM audit_lines WHERE account = 'CLAIM' AND payment_id IS NOT NULL
    GROUP BY tenant_id, case_id, payment_id, claim_id HAVING sum(amount) > 0
"""

_STATES: Final = f"""
    SELECT tenant_id, case_id, compared.what, compared.kept, compared.recomputed
    FROM (SELECT * FROM cases WHERE {IN_RANGE}) AS kept
    LEFT JOIN ({STATES}) AS state USING (tenant_id, case_id)
    LEFT JOIN ({RESIDUALS}) AS ended USING (tenant_id, case_id)
    LEFT JOIN {WAYS} AS known (way, status) USING (way)
    CROSS JOIN LATERAL (VALUES
        ('status', kept.status, coalesce(known.status, 'as its history: ' || state.way, 'none')),
        ('opened at', CAST(kept.opened_at AS text), CAST(state.opened_at AS text)),
        ('ended at', CAST(kept.ended_at AS text), CAST(state.ended_at AS text)),
        ('reason', kept.reason_code, state.reason_code),
        ('reason of closing', kept.close_reason, state.close_reason),
        ('result', kept.result, state.result),
        ('file number', kept.file_number, state.file_number),
        ('residual', CAST(kept.residual AS text), CAST(ended.residual AS text))
    ) AS compared (what, kept, recomputed)
    WHERE compared.kept IS DISTINCT FROM compared.recomputed
"""  # noqa: S608

_ENDS: Final = f"""
    SELECT tenant_id, case_id, compared.what, compared.kept, compared.recomputed
    FROM (
        SELECT * FROM history
        WHERE {IN_RANGE} AND kind IN ('REJECTED', 'CLOSED', 'CANCELLED') AND event_ids <> '{{}}'
    ) AS ended
    JOIN (
        SELECT item_number, max(case_open) AS open, max(case_collected) AS collected,
               -sum(change) AS residual
        FROM audit_moments GROUP BY item_number
    ) AS moment USING (item_number)
    CROSS JOIN LATERAL (VALUES
        ('open when it ended', CAST(moment.open AS text), '0.00'),
        ('result of closing', ended.details ->> 'result',
         CASE WHEN ended.kind <> 'CLOSED' THEN NULL WHEN moment.residual = 0 THEN 'PAID'
              WHEN moment.collected > 0 THEN 'PARTLY_PAID' ELSE 'UNPAID' END)
    ) AS compared (what, kept, recomputed)
    WHERE compared.kept <> compared.recomputed
"""  # noqa: S608

BALANCES: Final = [
    text(check)
    for check in (
        _POSTINGS,
        _UNTOLD,
        _HISTORY,
        _CLAIMS,
        _CASES,
        _PAYMENTS,
        _SHARES,
        _STATES,
    )
]
"""On `audit_lines`."""

ENDS: Final = text(_ENDS)
"""On `audit_moments`."""
