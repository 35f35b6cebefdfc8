"""Versions of members and claims that no preview shows any more are deleted."""

from typing import Any, Final

from sqlalchemy import text

from kit.context import Context

BATCH: Final = 1000
"""Versions of members, and of claims, of one transaction."""

# A preview shows what was the newest when it was made. The hour is for transactions that were open
# then: one that had superseded a version without the preview seeing it yet, and that of a preview
# which is not seen here yet.
_DISCARD: Final = """
    WITH old AS (
        SELECT tenant_id, {id}, sequence FROM {versions} AS superseded
        WHERE superseded_at < now() - interval '1 hour'
          AND NOT EXISTS (
              SELECT FROM previews
              WHERE previews.tenant_id = superseded.tenant_id AND NOT discarded
                AND created_at - interval '1 hour' <= superseded_at)
        ORDER BY superseded_at LIMIT :batch FOR UPDATE SKIP LOCKED
    )
    DELETE FROM {versions} AS version USING old
    WHERE version.tenant_id = old.tenant_id AND version.{id} = old.{id}
      AND version.sequence = old.sequence
    """
_DISCARD_EACH: Final = (
    text(_DISCARD.format(versions="member_snapshots", id="member_id")),
    text(_DISCARD.format(versions="claim_snapshots", id="claim_id")),
)


async def discard_snapshots(context: Context[Any]) -> bool:
    """Delete some superseded versions, and tell whether there may be more."""
    async with context.database.begin() as connection:
        discarded = [
            (await connection.execute(statement, {"batch": BATCH})).rowcount
            for statement in _DISCARD_EACH
        ]
    return max(discarded) == BATCH
