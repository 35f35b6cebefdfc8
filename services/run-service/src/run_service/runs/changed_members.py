"""Compare a preview with today: a run hands over exactly what was looked at (R4)."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from run_service.candidates.selection import (
    IS_GOING,
    LEFT_OUT_REASON,
    OWES_SOMETHING,
    LeftOut,
    Scope,
)


class Change(StrEnum):
    """What happened to a member since the preview, unless it is a reason to leave it out."""

    IN_COLLECTION = "IN_COLLECTION"
    """One of its claims stands in another handover."""
    CLAIMS_CHANGED = "CLAIMS_CHANGED"
    """It owes something else."""
    STUDIO_CHANGED = "STUDIO_CHANGED"
    """It belongs to another studio."""
    NO_CANDIDATE = "NO_CANDIDATE"
    """It owes nothing any more, or has not passed the last dunning level after all."""


@dataclass(frozen=True, slots=True)
class ChangedMember:
    """A member of a preview that cannot be handed over as the preview shows it."""

    member_id: UUID
    name: str
    reason: Change | LeftOut


# The members are compared with their own rows, by key; what follows from that is asked only for
# those that differ. Reservations come first: a claim in another handover is missing, too.
_CHANGED = text(
    f"""
    SELECT member_id, name,
           CASE
               WHEN is_going OR EXISTS (
                   SELECT FROM unnest(claim_ids) AS claim_id
                   JOIN reservations AS reserved USING (claim_id)
                   WHERE reserved.tenant_id = compared.tenant_id AND released_at IS NULL)
               THEN 'IN_COLLECTION'
               WHEN owes_something IS NOT true THEN 'NO_CANDIDATE'
               WHEN left_out_reason <> 'MINOR_WITHOUT_GUARDIAN' THEN left_out_reason
               WHEN is_elsewhere THEN 'STUDIO_CHANGED'
               WHEN owes_something_else THEN 'CLAIMS_CHANGED'
               ELSE left_out_reason
           END AS reason
    FROM (
        SELECT frozen.tenant_id, frozen.member_id, frozen.name, frozen.place, frozen.claim_ids,
               frozen.minor, {IS_GOING} AS is_going, {OWES_SOMETHING} AS owes_something,
               {LEFT_OUT_REASON} AS left_out_reason,
               member.studio_id <> frozen.studio_id AS is_elsewhere,
               (member.claim_ids, member.claim_sequences, member.claim_amounts)
               <> (frozen.claim_ids, frozen.claim_sequences, frozen.claim_amounts)
                   AS owes_something_else
        FROM preview_members AS frozen JOIN members AS member USING (tenant_id, member_id)
        WHERE frozen.tenant_id = :tenant_id AND frozen.preview_id = :preview_id
          AND NOT frozen.left_out
    ) AS compared
    WHERE is_going OR is_elsewhere OR owes_something_else OR owes_something IS NOT true
       OR left_out_reason <> CASE WHEN minor THEN 'MINOR_WITHOUT_GUARDIAN' ELSE '' END
    ORDER BY place
    """  # noqa: S608 - constants
)


# A claim may have moved to another member since its run was made: it goes with the one who owed it
# then, and the member who owes it now is not going.
_CLAIMS_GOING = text(
    """
    WITH going AS MATERIALIZED (
        SELECT claim_id
        FROM runs AS going JOIN preview_members AS goes USING (tenant_id, preview_id)
        CROSS JOIN unnest(goes.claim_ids) AS claim_id
        WHERE tenant_id = :tenant_id AND published < member_count
          AND NOT goes.left_out AND goes.place > going.last_place
    )
    SELECT DISTINCT member_id, name
    FROM preview_members AS frozen CROSS JOIN unnest(claim_ids) AS claim_id
    JOIN going USING (claim_id)
    WHERE frozen.tenant_id = :tenant_id AND frozen.preview_id = :preview_id AND NOT left_out
    ORDER BY name, member_id
    """
)
_ANY_GOING = text(
    "SELECT EXISTS (SELECT FROM runs WHERE tenant_id = :tenant_id AND published < member_count)"
)


async def changed_members(
    connection: AsyncConnection, preview_id: UUID, scope: Scope
) -> list[ChangedMember]:
    """Return the members that are to go into a run, but are not what the preview shows.

    A member is unchanged when it is a candidate in the same studio, with the same claims, each
    in the same version and with the same amount open. Its name or address may change: what is
    handed over is what the preview shows.
    """
    rows = await connection.execute(_CHANGED, {**scope.parameters, "preview_id": preview_id})
    changed = [ChangedMember(row.member_id, row.name, _reason(row.reason)) for row in rows]
    known = {member.member_id for member in changed}
    going = await members_with_claims_going(connection, scope.tenant_id, preview_id)
    return changed + [member for member in going if member.member_id not in known]


async def members_with_claims_going(
    connection: AsyncConnection, tenant_id: UUID, preview_id: UUID
) -> list[ChangedMember]:
    """Return the members of a preview with a claim that goes with another member just now."""
    keys = {"tenant_id": tenant_id, "preview_id": preview_id}
    if not await connection.scalar(_ANY_GOING, keys):
        return []
    rows = await connection.execute(_CLAIMS_GOING, keys)
    return [ChangedMember(row.member_id, row.name, Change.IN_COLLECTION) for row in rows]


def _reason(name: str) -> Change | LeftOut:
    return Change(name) if name in Change.__members__ else LeftOut(name)
