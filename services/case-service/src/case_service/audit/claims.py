"""Checks of claims across all their cases: what receivables says of them, and where they stand.

What is owed of a claim is its amount less what was paid directly, nothing when it is cancelled. The
one case that has not ended holds what of it was neither collected in any case, nor written off, nor
is open again on a case that has ended. (What was written off may be more than is left: what is open
then depends on what was open before, and can only be bounded.)
"""

from typing import Final

from sqlalchemy import text

from case_service.audit.difference import CLAIMS_IN_RANGE

# A handover may know of a newer snapshot than receivables has told so far.
_OPEN: Final = f"""
    SELECT tenant_id, case_id, 'claim ' || claim_id || ' open by what receivables says',
           CAST(open AS text),
           CASE WHEN written_off = 0 THEN CAST(greatest(due, 0.00) AS text)
                ELSE greatest(due, 0.00) || ' to ' || greatest(due + written_off, 0.00) END
    FROM (
        SELECT *, owed - collected - open_again - written_off AS due
        FROM (
            SELECT held.tenant_id, held.claim_id,
                   (array_agg(held.case_id) FILTER (WHERE is_live))[1] AS case_id,
                   sum(held.open) FILTER (WHERE is_live) AS open,
                   sum(held.collected) AS collected,
                   coalesce(sum(held.open) FILTER (WHERE NOT is_live), 0.00) AS open_again,
                   coalesce(sum(held.written_off) FILTER (WHERE NOT is_live), 0.00) AS written_off,
                   min(CASE WHEN held.snapshot_sequence >= coalesce(claims.sequence, 0)
                            THEN held.amount - held.paid_directly
                            WHEN claims.cancelled THEN 0.00
                            ELSE greatest(claims.amount - claims.paid_directly, 0.00) END)
                       FILTER (WHERE is_live) AS owed
            FROM (
                SELECT claim.*, cases.status IN ('PENDING', 'OPEN') AS is_live
                FROM case_claims AS claim JOIN cases USING (tenant_id, case_id)
                WHERE {CLAIMS_IN_RANGE}
            ) AS held
            LEFT JOIN (SELECT * FROM claims WHERE {CLAIMS_IN_RANGE}) AS claims
                USING (tenant_id, claim_id)
            GROUP BY held.tenant_id, held.claim_id
            HAVING count(*) FILTER (WHERE is_live) = 1
        ) AS summed
    ) AS claim
    WHERE open NOT BETWEEN greatest(due, 0) AND greatest(due + written_off, 0)
"""  # noqa: S608 - constants

_LIVE: Final = f"""
    SELECT claim.tenant_id, (array_agg(claim.case_id ORDER BY claim.case_id))[1],
           'claim ' || claim_id || ' stands in',
           count(*) || ' cases that have not ended', 'at most one'
    FROM case_claims AS claim JOIN cases USING (tenant_id, case_id)
    WHERE {CLAIMS_IN_RANGE} AND cases.status IN ('PENDING', 'OPEN')
    GROUP BY claim.tenant_id, claim_id HAVING count(*) > 1
"""  # noqa: S608

CLAIMS_EVERYWHERE: Final = [text(_OPEN), text(_LIVE)]
