"""The table `inbox`: the ids of what has acted, entered in the transaction of the effects."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

Id = tuple[str, str]
"""Who gave the id, and the id: unique together."""

# Sorted, so that two transactions never wait for each other's ids.
_ENTER: Final = text(
    """
    INSERT INTO inbox (source, id)
    SELECT source, id
    FROM unnest(CAST(:sources AS text[]), CAST(:ids AS text[])) AS new (source, id)
    ORDER BY id, source
    ON CONFLICT DO NOTHING
    RETURNING source, id
    """
)
_LEAVE: Final = text(
    """
    DELETE FROM inbox
    USING unnest(CAST(:sources AS text[]), CAST(:ids AS text[])) AS gone (source, id)
    WHERE inbox.source = gone.source AND inbox.id = gone.id
    """
)


async def enter(connection: AsyncConnection, ids: Sequence[Id]) -> set[Id]:
    """Enter ids; return those that were not there."""
    rows = await connection.execute(_ENTER, _columns(ids))
    return {(source, id_) for source, id_ in rows}


async def leave(connection: AsyncConnection, ids: Sequence[Id]) -> None:
    """Take ids out again, for what was undone and may come back."""
    await connection.execute(_LEAVE, _columns(ids))


def _columns(ids: Sequence[Id]) -> dict[str, list[str]]:
    return {"sources": [source for source, _ in ids], "ids": [id_ for _, id_ in ids]}
