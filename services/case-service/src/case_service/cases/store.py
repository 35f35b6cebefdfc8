"""SQL on cases that are locked: how they are read with their claims, and written when they changed.

Each column of a set of rows travels as an array, amounts as text: asyncpg takes three times as long
to write a Decimal as its text.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, text
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.cases.case import Case, Claim, CloseReason, Key, Result, Status
from case_service.tables import cases

CASE_COLUMNS: Final[Sequence[Column[Any]]] = (
    cases.c.tenant_id,
    cases.c.case_id,
    cases.c.run_id,
    cases.c.member_id,
    cases.c.studio_id,
    cases.c.partner_id,
    cases.c.collection_date,
    cases.c.currency,
    cases.c.time_zone,
    cases.c.status,
    cases.c.unallocated,
    cases.c.file_number,
    cases.c.reason_code,
    cases.c.close_reason,
    cases.c.result,
    cases.c.opened_at,
    cases.c.ended_at,
    cases.c.residual,
    cases.c.version,
)
"""What a `Case` is made of besides its claims, in its order."""

# Cases and claims are to be looked up one by one in their indexes, also by a plan that was made for
# many: `OFFSET 0` and `ANY (ARRAY[…])` rule out hash and merge joins. So a plan that was made while
# a table was small is as bad as can be once it is large: the inbox has plans made anew in time.
_CLAIMS = text(
    """
    SELECT place, claim.*
    FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:case_ids AS uuid[]))
         WITH ORDINALITY AS wanted (tenant_id, case_id, place),
         LATERAL (
             SELECT case_id, claim_id, kind, due_date, voucher_date, open, handed_over, changed,
                    collected, written_off, released
             FROM case_claims
             WHERE case_claims.tenant_id = wanted.tenant_id
               AND case_claims.case_id = wanted.case_id
             OFFSET 0
         ) AS claim
    ORDER BY claim_id
    """
)
_UPDATE_CASES = text(
    """
    UPDATE cases SET
        status = given.status, collected = given.collected, open = given.open,
        unallocated = given.unallocated, residual = given.residual,
        written_off = given.written_off, file_number = given.file_number,
        reason_code = given.reason_code, close_reason = given.close_reason, result = given.result,
        opened_at = given.opened_at, ended_at = given.ended_at, version = given.version
    FROM unnest(
        CAST(:tenant_id AS uuid[]), CAST(:case_id AS uuid[]), CAST(:status AS text[]),
        CAST(CAST(:collected AS text[]) AS numeric[]), CAST(CAST(:open AS text[]) AS numeric[]),
        CAST(CAST(:unallocated AS text[]) AS numeric[]),
        CAST(CAST(:residual AS text[]) AS numeric[]),
        CAST(CAST(:written_off AS text[]) AS numeric[]),
        CAST(:file_number AS text[]), CAST(:reason_code AS text[]), CAST(:close_reason AS text[]),
        CAST(:result AS text[]), CAST(:opened_at AS timestamptz[]),
        CAST(:ended_at AS timestamptz[]), CAST(:version AS integer[])
    ) AS given (tenant_id, case_id, status, collected, open, unallocated, residual, written_off,
                file_number, reason_code, close_reason, result, opened_at, ended_at, version)
    WHERE cases.tenant_id = ANY (ARRAY[given.tenant_id])
      AND cases.case_id = ANY (ARRAY[given.case_id])
    """
)
_UPDATE_CLAIMS = text(
    """
    UPDATE case_claims AS claim SET
        changed = given.changed, collected = given.collected, written_off = given.written_off,
        released = given.released, open = given.open
    FROM unnest(
        CAST(:tenant_id AS uuid[]), CAST(:case_id AS uuid[]), CAST(:claim_id AS uuid[]),
        CAST(CAST(:changed AS text[]) AS numeric[]), CAST(CAST(:collected AS text[]) AS numeric[]),
        CAST(CAST(:written_off AS text[]) AS numeric[]),
        CAST(CAST(:released AS text[]) AS numeric[]), CAST(CAST(:open AS text[]) AS numeric[])
    ) AS given (tenant_id, case_id, claim_id, changed, collected, written_off, released, open)
    WHERE claim.tenant_id = ANY (ARRAY[given.tenant_id])
      AND claim.case_id = ANY (ARRAY[given.case_id])
      AND claim.claim_id = ANY (ARRAY[given.claim_id])
      AND (claim.changed, claim.collected, claim.written_off, claim.released, claim.open)
       <> (given.changed, given.collected, given.written_off, given.released, given.open)
    """
)


async def with_claims(
    connection: AsyncConnection, rows: Sequence[Sequence[Any]]
) -> dict[Key, Case]:
    """Return the cases in `rows` of `CASE_COLUMNS`, which are locked, with their claims."""
    if not rows:
        return {}
    # The claims come in a statement of their own: it sees what was committed while the first one
    # waited for its locks.
    result = await connection.execute(
        _CLAIMS, {"tenant_ids": [row[0] for row in rows], "case_ids": [row[1] for row in rows]}
    )
    claims: list[list[Claim]] = [[] for _ in rows]
    for place, *of_claim in result:
        claims[place - 1].append(Claim(*of_claim))
    return {
        (row[0], row[1]): _case(row, of_case) for row, of_case in zip(rows, claims, strict=True)
    }


async def update_cases(connection: AsyncConnection, changed: Sequence[Case]) -> None:
    """Write locked cases that changed, and those of their claims that did."""
    if not changed:
        return
    for case in changed:
        case.version += 1
    await connection.execute(
        _UPDATE_CASES,
        {
            "tenant_id": [case.tenant_id for case in changed],
            "case_id": [case.case_id for case in changed],
            "status": [case.status for case in changed],
            "collected": [str(case.collected) for case in changed],
            "open": [str(case.open) for case in changed],
            "unallocated": [str(case.unallocated) for case in changed],
            "residual": [None if case.residual is None else str(case.residual) for case in changed],
            "written_off": [str(case.written_off) for case in changed],
            "file_number": [case.file_number for case in changed],
            "reason_code": [case.reason_code for case in changed],
            "close_reason": [case.close_reason for case in changed],
            "result": [case.result for case in changed],
            "opened_at": [case.opened_at for case in changed],
            "ended_at": [case.ended_at for case in changed],
            "version": [case.version for case in changed],
        },
    )
    claims = [(case.tenant_id, claim) for case in changed for claim in case.claims]
    await connection.execute(
        _UPDATE_CLAIMS,
        {
            "tenant_id": [tenant_id for tenant_id, _ in claims],
            "case_id": [claim.case_id for _, claim in claims],
            "claim_id": [claim.claim_id for _, claim in claims],
            "changed": [str(claim.changed) for _, claim in claims],
            "collected": [str(claim.collected) for _, claim in claims],
            "written_off": [str(claim.written_off) for _, claim in claims],
            "released": [str(claim.released) for _, claim in claims],
            "open": [str(claim.open) for _, claim in claims],
        },
    )


def _case(row: Sequence[Any], claims: list[Claim]) -> Case:
    (
        tenant_id, case_id, run_id, member_id, studio_id, partner_id, collection_date, currency,
        time_zone, status, unallocated, file_number, reason_code, close_reason, result, opened_at,
        ended_at, residual, version,
    ) = row  # fmt: skip
    return Case(
        tenant_id,
        case_id,
        run_id,
        member_id,
        studio_id,
        partner_id,
        collection_date,
        currency,
        time_zone,
        Status(status),
        claims,
        unallocated,
        file_number,
        reason_code,
        CloseReason(close_reason) if close_reason else None,
        Result(result) if result else None,
        opened_at,
        ended_at,
        residual,
        version,
    )
