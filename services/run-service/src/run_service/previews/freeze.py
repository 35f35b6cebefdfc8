"""Copy the candidates as they are now into a preview."""

from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from run_service.candidates.selection import CANDIDATES, NO_CANDIDATES, Scope

# One statement, so that members and studios show the same moment.
_FREEZE: Final = text(
    f"""
    WITH candidate AS MATERIALIZED (
        SELECT found.*, studio.name AS studio_name
        FROM ({CANDIDATES}) AS found
        JOIN studios AS studio USING (tenant_id, studio_id)
        WHERE (left_out_reason IS NULL OR left_out_reason <> ALL (:no_candidates))
          AND (CAST(:member_id AS uuid) IS NULL OR member_id = :member_id)
    ), studio AS (
        INSERT INTO preview_studios (tenant_id, preview_id, studio_id, name, snapshot)
        SELECT tenant_id, :preview_id, studio_id, name, snapshot
        FROM studios WHERE tenant_id = :tenant_id
          AND studio_id IN (SELECT studio_id FROM candidate)
    )
    INSERT INTO preview_members (
        tenant_id, preview_id, member_id, sequence, studio_id, place, name, surname,
        membership_number, search_text, claim_ids, claim_sequences, claim_amounts, currency,
        total, minor, came_of_age_on, left_out, left_out_reason)
    SELECT tenant_id, :preview_id, member_id, sequence, studio_id,
           row_number() OVER (ORDER BY studio_name, studio_id, surname, name, member_id),
           name, surname, membership_number, search_text, claim_ids, claim_sequences,
           claim_amounts, currency, total, minor, came_of_age_on, left_out_reason IS NOT NULL,
           left_out_reason
    FROM candidate
    ORDER BY member_id
    """  # noqa: S608 - constants
).bindparams(bindparam("no_candidates", [reason.value for reason in NO_CANDIDATES]))


async def freeze(
    connection: AsyncConnection, preview_id: UUID, scope: Scope, member_id: UUID | None = None
) -> None:
    """Copy the candidates with their claims and studios into a preview (R2).

    `member_id` narrows them to one member.
    """
    await connection.execute(
        _FREEZE, {**scope.parameters, "preview_id": preview_id, "member_id": member_id}
    )
