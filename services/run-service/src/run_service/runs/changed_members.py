"""Compare a preview with today: a run hands over exactly what was looked at (R4)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
    union,
    union_all,
)
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
    is_included = and_(
        preview_members.c.tenant_id == scope.tenant_id,
        preview_members.c.preview_id == preview_id,
        ~preview_members.c.left_out,
    )
    in_collection = exists().where(
        same(preview_claims, preview_members, "tenant_id", "preview_id", "member_id"),
        same(reservations, preview_claims, "tenant_id", "claim_id"),
        reservations.c.released_at.is_(None),
    )
    rows = await connection.execute(
        select(
            preview_members.c.member_id,
            preview_members.c.name,
            in_collection.label("in_collection"),
        )
        .where(is_included, preview_members.c.member_id.in_(_differing(scope, is_included)))
        .order_by(preview_members.c.place)
    )
    return [ChangedMember(**row._mapping) for row in rows]


def _differing(scope: Scope, is_included: ColumnElement[bool]) -> CompoundSelect[tuple[UUID]]:
    """Select the members of whom the preview shows something else than there is now.

    Each side is put below the other and grouped, never joined to it: the tables of a preview that
    was just made have no statistics, and a join of such sets may take for ever.
    """
    present_claims = candidate_claims(
        scope, only=select(preview_members.c.member_id).where(is_included)
    )
    present = candidates(present_claims, scope)
    return union(
        _standing_alone(
            select(
                preview_members.c.member_id, preview_members.c.studio_id, preview_members.c.minor
            ).where(is_included),
            select(present.c.member_id, present.c.studio_id, present.c.minor).where(
                or_(
                    present.c.left_out_reason.is_(None),
                    present.c.left_out_reason == LeftOut.MINOR_WITHOUT_GUARDIAN.value,
                )
            ),
        ),
        _standing_alone(
            select(
                preview_claims.c.member_id,
                preview_claims.c.claim_id,
                preview_claims.c.sequence,
                preview_claims.c.to_collect,
            )
            .join(
                preview_members,
                same(preview_members, preview_claims, "tenant_id", "preview_id", "member_id"),
            )
            .where(is_included),
            select(
                present_claims.c.member_id,
                present_claims.c.claim_id,
                present_claims.c.sequence,
                present_claims.c.to_collect,
            ),
        ),
    )


def _standing_alone(frozen: Select[Any], present: Select[Any]) -> Select[tuple[UUID]]:
    """Select the members of rows that are on one side only; each side has a row once."""
    rows = union_all(frozen, present).subquery()
    return select(rows.c.member_id).group_by(*rows.c).having(func.count() == 1)
