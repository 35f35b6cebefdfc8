"""Copy the candidates as they are now into a preview."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from run_service.candidates.selection import CANDIDATES, NO_CANDIDATES, Scope

# One statement, so that members and studios show the same moment. Studios are looked up by key:
# how a join would be done hangs on statistics, which know nothing of what came in just now. The
# inner OFFSET lets each be looked up, and each reason be found, once.
_FREEZE: Final = f"""
    WITH frozen AS (
        INSERT INTO preview_members (
            tenant_id, preview_id, member_id, sequence, studio_id, place, name, surname,
            membership_number, search_text, claim_ids, claim_sequences, claim_amounts, currency,
            total, minor, came_of_age_on, left_out, left_out_reason)
        SELECT tenant_id, :preview_id, member_id, sequence, studio_id,
               row_number() OVER (ORDER BY studio_name, studio_id, surname, name, member_id),
               name, surname, membership_number, search_text, claim_ids, claim_sequences,
               claim_amounts, currency, total, minor, came_of_age_on,
               left_out_reason IS NOT NULL, left_out_reason
        FROM (
            SELECT found.*, (
                SELECT studio.name FROM studios AS studio
                WHERE studio.tenant_id = found.tenant_id AND studio.studio_id = found.studio_id
            ) AS studio_name
            FROM ({CANDIDATES}) AS found WHERE {{members}}
            OFFSET 0
        ) AS candidate
        WHERE studio_name IS NOT NULL
          AND (left_out_reason IS NULL OR left_out_reason <> ALL (:no_candidates))
        RETURNING studio_id
    )
    INSERT INTO preview_studios (tenant_id, preview_id, studio_id, name, snapshot)
    SELECT tenant_id, :preview_id, studio_id, name, snapshot FROM studios
    WHERE tenant_id = :tenant_id
      AND studio_id = ANY (ARRAY(SELECT DISTINCT frozen.studio_id FROM frozen))
    """  # noqa: S608 - constants
_FREEZE_ALL = text(_FREEZE.replace("{members}", "true"))
_FREEZE_ONE = text(_FREEZE.replace("{members}", "member_id = :member_id"))


async def freeze(
    connection: AsyncConnection, preview_id: UUID, scope: Scope, member_id: UUID | None = None
) -> None:
    """Copy the candidates with their claims and studios into a preview (R2).

    `member_id` narrows them to one member.
    """
    parameters = {
        **scope.parameters,
        "preview_id": preview_id,
        "no_candidates": [reason.value for reason in NO_CANDIDATES],
    }
    if member_id is None:
        await connection.execute(_FREEZE_ALL, parameters)
    else:
        await connection.execute(_FREEZE_ONE, {**parameters, "member_id": member_id})
