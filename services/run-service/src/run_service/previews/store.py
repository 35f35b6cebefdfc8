"""What the verbs load and save of previews."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal
from run_service.candidates.selection import LeftOut
from run_service.previews.resources import MembersDecision
from run_service.tables import preview_members, previews


@dataclass(frozen=True, slots=True)
class Preview:
    """The head of a preview."""

    preview_id: UUID
    partner_id: UUID
    studio_ids: Sequence[UUID] | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    run_id: UUID | None


async def insert_preview(connection: AsyncConnection, tenant_id: UUID, preview: Preview) -> None:
    """Add the head of a preview."""
    await connection.execute(
        insert(previews).values(
            tenant_id=tenant_id,
            preview_id=preview.preview_id,
            partner_id=preview.partner_id,
            studio_ids=preview.studio_ids,
            created_at=preview.created_at,
            created_by=preview.created_by,
            expires_at=preview.expires_at,
        )
    )


async def find_preview(
    connection: AsyncConnection, tenant_id: UUID, preview_id: UUID, *, lock: bool = False
) -> Preview | None:
    """Return a preview of the tenant; locked, so that it becomes one run only."""
    statement = select(
        previews.c.preview_id,
        previews.c.partner_id,
        previews.c.studio_ids,
        previews.c.created_at,
        previews.c.created_by,
        previews.c.expires_at,
        previews.c.run_id,
    ).where(previews.c.tenant_id == tenant_id, previews.c.preview_id == preview_id)
    row = (
        await connection.execute(statement.with_for_update() if lock else statement)
    ).one_or_none()
    return None if row is None else Preview(**row._mapping)


async def leave_out(
    connection: AsyncConnection, tenant_id: UUID, preview_id: UUID, member_ids: Sequence[UUID]
) -> None:
    """Leave members out of a preview because they changed."""
    await connection.execute(
        text(
            """
            UPDATE preview_members SET left_out = true, left_out_reason = :reason
            WHERE tenant_id = :tenant_id AND preview_id = :preview_id
              AND member_id = ANY(CAST(:member_ids AS uuid[]))
            """
        ),
        {
            "reason": LeftOut.CHANGED.value,
            "tenant_id": tenant_id,
            "preview_id": preview_id,
            "member_ids": list(member_ids),
        },
    )


@dataclass(frozen=True, slots=True)
class PreviewedMember:
    """What a decision on a member of a preview depends on."""

    minor: bool
    left_out_reason: LeftOut | None


async def find_members(
    connection: AsyncConnection, tenant_id: UUID, preview_id: UUID, member_ids: Sequence[UUID]
) -> dict[UUID, PreviewedMember]:
    """Return those of the members that a preview holds, by their ids."""
    rows = await connection.execute(
        text(
            """
            SELECT member_id, minor, left_out_reason FROM preview_members
            WHERE tenant_id = :tenant_id AND preview_id = :preview_id
              AND member_id = ANY(CAST(:member_ids AS uuid[]))
            """
        ),
        {"tenant_id": tenant_id, "preview_id": preview_id, "member_ids": list(member_ids)},
    )
    return {
        row.member_id: PreviewedMember(
            row.minor, row.left_out_reason and LeftOut(row.left_out_reason)
        )
        for row in rows
    }


async def save_decision(
    connection: AsyncConnection,
    tenant_id: UUID,
    preview_id: UUID,
    member_id: UUID,
    decision: Mapping[str, object],
) -> None:
    """Save whether a member of a preview is left out, who said so and why."""
    await connection.execute(
        update(preview_members)
        .where(
            preview_members.c.tenant_id == tenant_id,
            preview_members.c.preview_id == preview_id,
            preview_members.c.member_id == member_id,
        )
        .values(**decision)
    )


# Whoever is left out or in already keeps the earlier decision. The reasons are those that
# `decide_on_member` gives.
_DECIDE = text(
    """
    UPDATE preview_members
    SET left_out = :left_out,
        left_out_reason = CASE WHEN NOT :left_out THEN NULL
                               WHEN minor THEN 'MINOR_WITHOUT_GUARDIAN' ELSE 'BY_STAFF' END,
        decided_by = :decided_by, decided_as = CAST(:decided_as AS text[]),
        decision_reason = :reason
    WHERE tenant_id = :tenant_id AND preview_id = :preview_id AND left_out <> :left_out
      AND (CAST(:member_ids AS uuid[]) IS NULL
           OR member_id = ANY(CAST(:member_ids AS uuid[])))
      AND (:left_out OR NOT minor AND left_out_reason <> ALL(CAST(:for_good AS text[])))
    """
)


async def save_decision_on_all(
    connection: AsyncConnection,
    principal: Principal,
    preview_id: UUID,
    decision: MembersDecision,
    for_good: Iterable[LeftOut],
) -> None:
    """Save whether members are left out, the named ones or all, who said so and why.

    Neither minors without a legal guardian nor those left out `for_good` are taken in.
    """
    await connection.execute(
        _DECIDE,
        {
            "tenant_id": principal.tenant_id,
            "preview_id": preview_id,
            "left_out": decision.left_out,
            "member_ids": decision.member_ids,
            "decided_by": principal.subject,
            "decided_as": sorted(principal.roles),
            "reason": decision.reason,
            "for_good": [reason.value for reason in for_good],
        },
    )


# Asks for a run that is through, not for none that goes on: one that was made a moment ago, while
# its preview was locked, is not seen here yet.
_DISCARD_PREVIEW = text(
    """
    WITH old AS (
        SELECT tenant_id, preview_id FROM previews
        WHERE NOT discarded AND expires_at < now()
          AND (run_id IS NULL
               OR EXISTS (SELECT FROM runs
                          WHERE runs.tenant_id = previews.tenant_id
                            AND runs.run_id = previews.run_id AND published = member_count))
        ORDER BY expires_at LIMIT 1 FOR UPDATE SKIP LOCKED
    ), gone_members AS (
        DELETE FROM preview_members USING old
        WHERE preview_members.tenant_id = old.tenant_id
          AND preview_members.preview_id = old.preview_id
    ), gone_studios AS (
        DELETE FROM preview_studios USING old
        WHERE preview_studios.tenant_id = old.tenant_id
          AND preview_studios.preview_id = old.preview_id
    )
    UPDATE previews SET discarded = true FROM old
    WHERE previews.tenant_id = old.tenant_id AND previews.preview_id = old.preview_id
    """
)


async def discard_preview(connection: AsyncConnection) -> bool:
    """Delete the members of one preview that has expired, unless a run is still made of it."""
    return (await connection.execute(_DISCARD_PREVIEW)).rowcount > 0
