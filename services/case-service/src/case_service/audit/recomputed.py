"""What the entries say: SQL for some cases at a time, for the audit and for the rebuilding.

Entries of one posting add up to 0.00. On account CLAIM above zero means that more is open; on
UNALLOCATED and PAID_OUT below zero means that money is held, or left.
"""

from typing import Final

from case_service.audit.difference import IN_RANGE

CLAIMS: Final = f"""
    SELECT tenant_id, case_id, claim_id,
           coalesce(sum(amount) FILTER (WHERE kind = 'HANDED_OVER'), 0.00) AS handed_over,
           coalesce(sum(amount) FILTER (WHERE kind IN ('DIRECT_PAYMENT', 'CLAIM_CHANGE')), 0.00)
               AS changed,
           coalesce(-sum(amount) FILTER (WHERE payment_id IS NOT NULL), 0.00) AS collected,
           coalesce(-sum(amount) FILTER (WHERE kind = 'WRITTEN_OFF'), 0.00) AS written_off,
           coalesce(-sum(amount) FILTER (WHERE kind = 'RELEASED'), 0.00) AS released,
           sum(amount) AS open,
           count(*) FILTER (WHERE kind = 'HANDED_OVER') AS handovers,
           min(open_then) AS lowest
    FROM (
        SELECT *, sum(amount) OVER (
            PARTITION BY case_id, tenant_id, claim_id ORDER BY entry_number
        ) AS open_then
        FROM entries WHERE {IN_RANGE} AND account = 'CLAIM'
    ) AS entry
    GROUP BY case_id, tenant_id, claim_id
"""  # noqa: S608 - a constant
"""Of each claim in each case: the parts of its balance, what is open, how often it was handed over,
and the least that was ever open."""

CASES: Final = f"""
    SELECT tenant_id, case_id,
           coalesce(sum(amount) FILTER (WHERE account = 'CLAIM' AND kind = 'HANDED_OVER'), 0.00)
               AS handed_over,
           coalesce(-sum(amount) FILTER (WHERE account = 'CLAIM' AND payment_id IS NOT NULL), 0.00)
               AS collected,
           coalesce(sum(amount) FILTER (WHERE account = 'CLAIM'), 0.00) AS open,
           coalesce(-sum(amount) FILTER (WHERE account = 'UNALLOCATED'), 0.00) AS unallocated,
           coalesce(sum(amount) FILTER (WHERE account = 'WRITTEN_OFF'), 0.00) AS written_off,
           min(currency) AS currency, max(currency) AS other_currency
    FROM entries WHERE {IN_RANGE}
    GROUP BY case_id, tenant_id
"""  # noqa: S608
"""Of each case: its sums."""

PAYMENTS: Final = f"""
    SELECT tenant_id, case_id, payment_id,
           coalesce(sum(amount) FILTER (WHERE account = 'COLLECTED'), 0.00) AS amount,
           coalesce(-sum(amount) FILTER (WHERE account = 'UNALLOCATED'), 0.00) AS unallocated,
           coalesce(-sum(amount) FILTER (WHERE account = 'PAID_OUT'), 0.00) AS paid_out,
           coalesce(sum(amount) FILTER (WHERE account = 'SHORTFALL'), 0.00) AS shortfall,
           (array_agg(amount ORDER BY entry_number) FILTER (WHERE account = 'COLLECTED'))[1]
               AS booked_amount,
           min(currency) AS currency,
           (array_agg(posting_id ORDER BY entry_number) FILTER (WHERE account = 'COLLECTED'))[1]
               AS posting_id
    FROM entries WHERE {IN_RANGE} AND payment_id IS NOT NULL AND account <> 'CLAIM'
    GROUP BY payment_id, case_id, tenant_id
"""  # noqa: S608
"""Of each payment on its own case: where its money is, what was booked first, and the posting that
booked it."""

STATES: Final = f"""
    SELECT tenant_id, case_id,
           string_agg(kind, ' ' ORDER BY item_number) FILTER (
               WHERE kind IN ('HANDED_OVER', 'OPENED', 'REJECTED', 'CLOSED', 'CANCELLED')
           ) AS way,
           min(recorded_at) FILTER (WHERE kind = 'OPENED') AS opened_at,
           max(recorded_at) FILTER (WHERE kind IN ('REJECTED', 'CLOSED', 'CANCELLED')) AS ended_at,
           max(details ->> 'reason_code') FILTER (WHERE kind = 'REJECTED') AS reason_code,
           max(details ->> 'reason') FILTER (WHERE kind = 'CLOSED') AS close_reason,
           max(details ->> 'result') FILTER (WHERE kind = 'CLOSED') AS result,
           (array_agg(details ->> 'file_number' ORDER BY item_number DESC) FILTER (
               WHERE kind = 'FILE_NUMBER_SET'
           ))[1] AS file_number
    FROM history WHERE {IN_RANGE}
    GROUP BY case_id, tenant_id
"""  # noqa: S608
"""Of each case: the way that its history tells, and what was said on it."""

WAYS: Final = """
    (VALUES ('HANDED_OVER', 'PENDING'), ('HANDED_OVER OPENED', 'OPEN'),
            ('HANDED_OVER REJECTED', 'REJECTED'), ('HANDED_OVER CLOSED', 'CLOSED'),
            ('HANDED_OVER OPENED CLOSED', 'CLOSED'), ('HANDED_OVER OPENED CANCELLED', 'CANCELLED'))
"""
"""Each way that a case can go, and the status it leads to; the rows of a relation."""

RESIDUALS: Final = f"""
    SELECT ended.tenant_id, ended.case_id, coalesce(-sum(entry.amount), 0.00) AS residual
    FROM (
        SELECT * FROM history
        WHERE {IN_RANGE} AND kind IN ('REJECTED', 'CLOSED', 'CANCELLED')
    ) AS ended
    LEFT JOIN (
        SELECT * FROM entries
        WHERE {IN_RANGE} AND account = 'CLAIM' AND kind IN ('RELEASED', 'WRITTEN_OFF')
    ) AS entry
        ON (entry.tenant_id, entry.case_id) = (ended.tenant_id, ended.case_id)
       AND (entry.posting_id = ended.posting_id
            OR entry.actor = 'case-service' AND entry.correlation_id = 'migration')
    GROUP BY ended.tenant_id, ended.case_id
"""  # noqa: S608
"""Of each case that has ended: what it let go of then. Cases that had ended before there was double
entry did so with the migration."""
