"""What the API reads of previews."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit import cursors
from kit.auth import Principal
from kit.clock import now
from kit.cursors import Page
from run_service.candidates.queries import figures
from run_service.previews.open_preview import readable_preview
from run_service.previews.resources import Preview, PreviewHead

# Those that `open_preview` returns to the caller.
_OPEN_PREVIEWS = text(
    """
    SELECT preview_id, partner_id, partner.name AS partner_name, studio_ids, created_at,
           created_by, expires_at
    FROM previews JOIN partners AS partner USING (tenant_id, partner_id)
    WHERE tenant_id = :tenant_id AND NOT discarded AND expires_at > :now AND run_id IS NULL
      AND (CAST(:studio_ids AS uuid[]) IS NULL OR studio_ids <@ CAST(:studio_ids AS uuid[]))
      AND (CAST(:before AS uuid) IS NULL OR preview_id < :before)
    ORDER BY preview_id DESC LIMIT :limit
    """
)
# The OFFSET keeps what is sorted small, where the planner sorts to group.
_FIGURES = text(
    """
    SELECT currency, left_out_reason, minor, count(*) AS members, sum(claims) AS claims,
           sum(total) AS total
    FROM (
        SELECT currency, left_out_reason, minor, cardinality(claim_ids) AS claims, total
        FROM preview_members WHERE tenant_id = :tenant_id AND preview_id = :preview_id
        OFFSET 0
    ) AS member
    GROUP BY currency, left_out_reason, minor
    """
)
_PARTNER_NAME = text(
    "SELECT name FROM partners WHERE tenant_id = :tenant_id AND partner_id = :partner_id"
)


async def open_previews(
    connection: AsyncConnection, principal: Principal, *, limit: int, cursor: str | None
) -> Page[PreviewHead]:
    """Return the previews that the caller can still make a run of, the newest first."""
    (before,) = cursors.decode(cursor, [UUID]) if cursor else (None,)
    parameters = {
        "tenant_id": principal.tenant_id,
        "now": now(),
        "studio_ids": None if principal.studio_ids is None else list(principal.studio_ids),
        "before": before,
        "limit": limit + 1,
    }
    rows = (await connection.execute(_OPEN_PREVIEWS, parameters)).all()
    more = cursors.encode([rows[limit - 1].preview_id]) if len(rows) > limit else None
    return Page(items=[PreviewHead(**row._mapping) for row in rows[:limit]], next=more)


async def preview(connection: AsyncConnection, principal: Principal, preview_id: UUID) -> Preview:
    """Return a preview; raises the 404 when the caller may not see it, the 410 when it is old."""
    head = await readable_preview(connection, principal, preview_id)
    keys = {"tenant_id": principal.tenant_id, "preview_id": preview_id}
    rows = (await connection.execute(_FIGURES, keys)).all()
    partner = {"tenant_id": principal.tenant_id, "partner_id": head.partner_id}
    return Preview(
        preview_id=preview_id,
        partner_id=head.partner_id,
        partner_name=await connection.scalar(_PARTNER_NAME, partner),
        studio_ids=None if head.studio_ids is None else tuple(head.studio_ids),
        created_at=head.created_at,
        created_by=head.created_by,
        expires_at=head.expires_at,
        run_id=head.run_id,
        minors_left_out=sum(
            row.members for row in rows if row.minor and row.left_out_reason is not None
        ),
        **figures(rows),
    )
