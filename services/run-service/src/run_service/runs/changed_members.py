"""Compare a preview with today: a run hands over exactly what was looked at (R4)."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, except_, exists, or_, select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from run_service.candidates.selection import LeftOut, Scope, candidate_claims, candidates, same
from run_service.tables import preview_claims, preview_members, reservations


@dataclass(frozen=True, slots=True)
class ChangedMember:
    """A member of a preview that cannot be handed over as the preview shows it."""

    member_id: UUID
    name: str
    in_collection: bool
    """Whether one of its claims is in another handover by now."""


async def changed_members(
    connection: AsyncConnection, preview_id: UUID, scope: Scope
) -> list[ChangedMember]:
    """Return the members that are to go into a run, but are not what the preview shows.

    A member is unchanged when it is a candidate in the same studio, with the same claims, each
    in the same version and with the same amount open. Its name or address may change: what is
    handed over is what the preview shows.
    """
    included = (
        select(
            preview_members.c.tenant_id,
            preview_members.c.preview_id,
            preview_members.c.member_id,
            preview_members.c.name,
            preview_members.c.studio_id,
            preview_members.c.minor,
        )
        .where(
            preview_members.c.tenant_id == scope.tenant_id,
            preview_members.c.preview_id == preview_id,
            ~preview_members.c.left_out,
        )
        .cte("included")
    )
    frozen = _as_frozen(included)
    present = _as_it_is_now(included, scope)
    differing = union(
        select(except_(select(frozen), select(present)).subquery().c.member_id),
        select(except_(select(present), select(frozen)).subquery().c.member_id),
    )
    rows = await connection.execute(
        select(
            included.c.member_id, included.c.name, _in_collection(included).label("in_collection")
        )
        .where(included.c.member_id.in_(differing))
        .order_by(included.c.name, included.c.member_id)
    )
    return [ChangedMember(**row._mapping) for row in rows]


def _in_collection(included: CTE) -> ColumnElement[bool]:
    return exists().where(
        same(preview_claims, included, "tenant_id", "preview_id", "member_id"),
        same(reservations, preview_claims, "tenant_id", "claim_id"),
        reservations.c.released_at.is_(None),
    )


def _as_frozen(included: CTE) -> CTE:
    """Select what the preview shows of the claims that are to go into the run."""
    return (
        select(
            included.c.member_id,
            included.c.studio_id,
            included.c.minor,
            preview_claims.c.claim_id,
            preview_claims.c.sequence,
            preview_claims.c.to_collect,
        )
        .join(
            preview_claims, same(preview_claims, included, "tenant_id", "preview_id", "member_id")
        )
        .cte("frozen")
    )


def _as_it_is_now(included: CTE, scope: Scope) -> CTE:
    """Select the same of today's candidates among the `included` members."""
    found_claims = candidate_claims(scope, only=included)
    found = candidates(found_claims, scope)
    return (
        select(
            found.c.member_id,
            found.c.studio_id,
            found.c.minor,
            found_claims.c.claim_id,
            found_claims.c.sequence,
            found_claims.c.to_collect,
        )
        .join(found_claims, same(found_claims, found, "tenant_id", "member_id"))
        .where(
            or_(
                found.c.left_out_reason.is_(None),
                found.c.left_out_reason == LeftOut.MINOR_WITHOUT_GUARDIAN.value,
            )
        )
        .cte("present")
    )
