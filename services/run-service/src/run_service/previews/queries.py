"""What the API reads of previews."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Money
from kit import cursors
from kit.auth import Principal
from kit.cursors import Page
from run_service.money import money_of
from run_service.previews.open_preview import readable_preview
from run_service.resources import Preview, PreviewClaim, PreviewMember

_SUMS = text(
    """
    SELECT count(*) FILTER (WHERE NOT left_out) AS members,
           coalesce(sum(claim_count) FILTER (WHERE NOT left_out), 0) AS claims,
           count(*) FILTER (WHERE left_out AND minor) AS minors_left_out,
           count(*) FILTER (WHERE left_out) AS left_out
    FROM preview_members WHERE tenant_id = :tenant_id AND preview_id = :preview_id
    """
)
_TOTALS = text(
    """
    SELECT json_agg(json_build_array(total::text, currency) ORDER BY currency) FROM (
        SELECT currency, sum(total) AS total FROM preview_members
        WHERE tenant_id = :tenant_id AND preview_id = :preview_id AND NOT left_out
        GROUP BY currency
    ) AS by_currency
    """
)
_PARTNER_NAME = text(
    "SELECT name FROM partners WHERE tenant_id = :tenant_id AND partner_id = :partner_id"
)
_MEMBERS = text(
    """
    SELECT member.*, (
               SELECT json_agg(
                   json_build_array(claim_id, to_collect::text,
                                    claim.snapshot -> 'amount' ->> 'currency',
                                    claim.snapshot ->> 'due_date',
                                    claim.snapshot ->> 'designation')
                   ORDER BY claim.snapshot ->> 'due_date', claim_id)
               FROM preview_claims AS claim
               WHERE claim.tenant_id = member.tenant_id
                 AND claim.preview_id = member.preview_id
                 AND claim.member_id = member.member_id
           ) AS claims
    FROM preview_members AS member
    WHERE tenant_id = :tenant_id AND preview_id = :preview_id AND place > :after
      AND (CAST(:member_id AS uuid) IS NULL OR member_id = :member_id)
    ORDER BY place LIMIT :limit
    """
)


async def preview(connection: AsyncConnection, principal: Principal, preview_id: UUID) -> Preview:
    """Return a preview; raises the 404 when the caller may not see it, the 410 when it is old."""
    head = await readable_preview(connection, principal, preview_id)
    keys = {"tenant_id": principal.tenant_id, "preview_id": preview_id}
    sums = (await connection.execute(_SUMS, keys)).one()
    partner = {"tenant_id": principal.tenant_id, "partner_id": head.partner_id}
    return Preview(
        preview_id=preview_id,
        partner_id=head.partner_id,
        partner_name=await connection.scalar(_PARTNER_NAME, partner),
        totals=money_of(await connection.scalar(_TOTALS, keys)),
        created_at=head.created_at,
        expires_at=head.expires_at,
        run_id=head.run_id,
        **sums._mapping,
    )


async def preview_members(
    connection: AsyncConnection,
    principal: Principal,
    preview_id: UUID,
    *,
    limit: int,
    cursor: str | None,
) -> Page[PreviewMember]:
    """Return members of a preview by studio and name; raises as `preview` does."""
    await readable_preview(connection, principal, preview_id)
    (after,) = cursors.decode(cursor, [cursors.Place]) if cursor else (0,)
    rows = (
        await connection.execute(
            _MEMBERS,
            {
                "tenant_id": principal.tenant_id,
                "preview_id": preview_id,
                "member_id": None,
                "after": after,
                "limit": limit + 1,
            },
        )
    ).all()
    more = cursors.encode([rows[limit - 1].place]) if len(rows) > limit else None
    return Page(items=[_member(row) for row in rows[:limit]], next=more)


async def preview_member(
    connection: AsyncConnection, principal: Principal, preview_id: UUID, member_id: UUID
) -> PreviewMember:
    """Return one member of a preview that is known to hold it."""
    keys = {"tenant_id": principal.tenant_id, "preview_id": preview_id, "member_id": member_id}
    return _member((await connection.execute(_MEMBERS, {**keys, "after": 0, "limit": 1})).one())


def _member(row: Row[Any]) -> PreviewMember:
    total = None if row.currency is None else Money(amount=row.total, currency=row.currency)
    return PreviewMember(
        member_id=row.member_id,
        studio_id=row.studio_id,
        name=row.name,
        membership_number=row.membership_number,
        claims=tuple(
            PreviewClaim(
                claim_id=claim_id,
                to_collect=Money(amount=amount, currency=currency),
                due_date=due_date,
                designation=designation,
            )
            for claim_id, amount, currency, due_date, designation in row.claims
        ),
        total=total,
        minor=row.minor,
        left_out=row.left_out,
        left_out_reason=row.left_out_reason,
        decided_by=row.decided_by,
        decision_reason=row.decision_reason,
    )
