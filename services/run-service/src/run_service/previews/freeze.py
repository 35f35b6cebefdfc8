"""Copy the candidates as they are now into a preview."""

from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Insert,
    Integer,
    Uuid,
    cast,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from run_service.candidates.selection import Scope, candidate_claims, candidates, same
from run_service.tables import (
    claims,
    members,
    preview_claims,
    preview_members,
    preview_studios,
    studios,
)


async def freeze(connection: AsyncConnection, preview_id: UUID, scope: Scope) -> None:
    """Copy the candidates with their claims and studios into a preview (R2).

    One statement, so that all three show the same moment.
    """
    found_claims = candidate_claims(scope)
    found = candidates(found_claims, scope)
    preview = literal(preview_id, Uuid)
    await connection.execute(
        _freeze_members(found, preview).add_cte(
            _freeze_studios(found, preview, scope).cte("frozen_studios"),
            _freeze_claims(found_claims, preview).cte("frozen_claims"),
        )
    )


def _freeze_studios(found: CTE, preview: ColumnElement[UUID], scope: Scope) -> Insert:
    return insert(preview_studios).from_select(
        ["tenant_id", "preview_id", "studio_id", "name", "snapshot"],
        select(
            studios.c.tenant_id, preview, studios.c.studio_id, studios.c.name, studios.c.snapshot
        ).where(
            studios.c.tenant_id == scope.tenant_id,
            studios.c.studio_id.in_(select(found.c.studio_id)),
        ),
    )


def _freeze_claims(found: CTE, preview: ColumnElement[UUID]) -> Insert:
    return insert(preview_claims).from_select(
        ["tenant_id", "preview_id", "member_id", "claim_id", "sequence", "to_collect", "snapshot"],
        select(
            found.c.tenant_id,
            preview,
            found.c.member_id,
            found.c.claim_id,
            found.c.sequence,
            found.c.to_collect,
            claims.c.snapshot,
        ).join(claims, same(claims, found, "tenant_id", "claim_id")),
    )


def _freeze_members(found: CTE, preview: ColumnElement[UUID]) -> Insert:
    order = [
        studios.c.name,
        found.c.studio_id,
        members.c.surname,
        members.c.name,
        found.c.member_id,
    ]
    frozen = {
        "tenant_id": found.c.tenant_id,
        "preview_id": preview,
        "member_id": found.c.member_id,
        "studio_id": found.c.studio_id,
        "place": cast(func.row_number().over(order_by=order), Integer),
        "name": members.c.name,
        "membership_number": members.c.membership_number,
        "claim_count": found.c.claim_count,
        "currency": found.c.currency,
        "total": found.c.total,
        "minor": found.c.minor,
        "left_out": found.c.left_out_reason.is_not(None),
        "left_out_reason": found.c.left_out_reason,
        "snapshot": members.c.snapshot,
    }
    return insert(preview_members).from_select(
        list(frozen),
        select(*frozen.values())
        .select_from(found)
        .join(members, same(members, found, "tenant_id", "member_id"))
        .join(studios, same(studios, found, "tenant_id", "studio_id")),
    )
