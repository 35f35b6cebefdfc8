"""`case-service rebuild-balances`: what is kept beside entries and history is made from them anew.

Only rows that differ are written, some cases at a time, each time under the locks that every change
of a case takes: the service may run meanwhile.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text

from case_service.audit.difference import IN_RANGE, ranges, reason_of
from case_service.audit.recomputed import CASES, CLAIMS, PAYMENTS, RESIDUALS, STATES, WAYS
from kit.context import Context
from kit.database import Database

CASES_AT_A_TIME: Final = 1_000

_LOCK: Final = text(
    f"""
    SELECT case_id FROM cases WHERE {IN_RANGE} ORDER BY tenant_id, case_id FOR NO KEY UPDATE
    """  # noqa: S608 - a constant
)

_CLAIMS: Final = f"""
    UPDATE case_claims AS kept
    SET handed_over = entries.handed_over, changed = entries.changed,
        collected = entries.collected, written_off = entries.written_off,
        released = entries.released, open = entries.open
    FROM ({CLAIMS}) AS entries
    WHERE (kept.tenant_id, kept.case_id, kept.claim_id)
        = (entries.tenant_id, entries.case_id, entries.claim_id)
      AND kept.case_id = ANY(CAST(:locked AS uuid[]))
      AND (kept.handed_over, kept.changed, kept.collected, kept.written_off, kept.released,
           kept.open)
       IS DISTINCT FROM
          (entries.handed_over, entries.changed, entries.collected, entries.written_off,
           entries.released, entries.open)
"""  # noqa: S608

# A case whose history goes no way that a case can go stays as it is, and in the audit's list.
_CASES: Final = f"""
    UPDATE cases AS kept
    SET handed_over = entries.handed_over, collected = entries.collected, open = entries.open,
        unallocated = entries.unallocated, written_off = entries.written_off,
        residual = ended.residual, status = known.status, opened_at = state.opened_at,
        ended_at = state.ended_at, reason_code = state.reason_code,
        close_reason = state.close_reason, result = state.result,
        file_number = state.file_number, version = kept.version + 1
    FROM ({CASES}) AS entries
    JOIN ({STATES}) AS state USING (tenant_id, case_id)
    JOIN {WAYS} AS known (way, status) USING (way)
    LEFT JOIN ({RESIDUALS}) AS ended USING (tenant_id, case_id)
    WHERE (kept.tenant_id, kept.case_id) = (entries.tenant_id, entries.case_id)
      AND kept.case_id = ANY(CAST(:locked AS uuid[]))
      AND (kept.handed_over, kept.collected, kept.open, kept.unallocated, kept.written_off,
           kept.residual, kept.status, kept.opened_at, kept.ended_at, kept.reason_code,
           kept.close_reason, kept.result, kept.file_number)
       IS DISTINCT FROM
          (entries.handed_over, entries.collected, entries.open, entries.unallocated,
           entries.written_off, ended.residual, known.status, state.opened_at, state.ended_at,
           state.reason_code, state.close_reason, state.result, state.file_number)
"""  # noqa: S608

_PAYMENTS: Final = f"""
    UPDATE payments AS kept
    SET amount = entries.amount, unallocated = entries.unallocated, paid_out = entries.paid_out,
        shortfall = entries.shortfall, booked_amount = entries.booked_amount
    FROM ({PAYMENTS}) AS entries
    WHERE (kept.tenant_id, kept.case_id, kept.payment_id)
        = (entries.tenant_id, entries.case_id, entries.payment_id)
      AND kept.case_id = ANY(CAST(:locked AS uuid[]))
      AND (kept.amount, kept.unallocated, kept.paid_out, kept.shortfall, kept.booked_amount)
       IS DISTINCT FROM
          (entries.amount, entries.unallocated, entries.paid_out, entries.shortfall,
           entries.booked_amount)
"""  # noqa: S608

_REBUILDS: Final = {
    "claims": text(_CLAIMS),
    "cases": text(_CASES),
    "payments": text(_PAYMENTS),
}


async def rebuild_balances(context: Context[Any], _arguments: Sequence[str]) -> int:
    """Rebuild and print how many rows changed; return 0, or 2 when it could not be done."""
    try:
        changed = await _rebuild(context.database)
    except Exception as error:
        print(f"rebuild-balances: could not be done: {reason_of(error)}")  # noqa: T201
        return 2
    rows = ", ".join(f"{number} {name}" for name, number in changed.items())
    print(f"rebuild-balances: {rows} changed")  # noqa: T201 - what the command is for
    return 0


async def _rebuild(database: Database) -> dict[str, int]:
    changed = dict.fromkeys(_REBUILDS, 0)
    async with database.connect() as connection:
        parts = await ranges(connection, "cases", "case_id", CASES_AT_A_TIME)
    for bounds in parts:
        async with database.begin() as connection:
            locked = (await connection.scalars(_LOCK, bounds)).all()
            only = bounds | {"locked": locked}
            for name, rebuild in _REBUILDS.items():
                changed[name] += (await connection.execute(rebuild, only)).rowcount
    return changed
