"""The things that were imported: their ids, and what was published last of each."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.ids import new_id
from run_service.imports.cells import as_id
from run_service.imports.kinds import Kind


@dataclass(frozen=True, slots=True)
class Thing:
    """What was published last of a thing."""

    thing_id: UUID
    studio_id: UUID | None
    member_id: UUID | None
    content_hash: bytes
    sequence: int


# One publication of a tenant at a time: numbers get their ids once, and sequences grow in the
# order in which they are published.
_LOCK_TENANT: Final = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('imports ' || CAST(:tenant_id AS text), 0))"
)
_MAKE_IDS: Final = text(
    """
    INSERT INTO imported_ids (tenant_id, kind, number, thing_id)
    SELECT :tenant_id, :kind, new.*
    FROM unnest(CAST(:numbers AS text[]), CAST(:ids AS uuid[])) AS new
    ON CONFLICT DO NOTHING
    """
)
_IDS: Final = text(
    """
    SELECT number, thing_id FROM imported_ids
    WHERE tenant_id = :tenant_id AND kind = :kind AND number = ANY(CAST(:numbers AS text[]))
    """
)
_THINGS: Final = text(
    """
    SELECT thing_id, studio_id, member_id, content_hash, sequence FROM imported_things
    WHERE tenant_id = :tenant_id AND kind = :kind AND thing_id = ANY(CAST(:ids AS uuid[]))
    """
)
_SAVE: Final = text(
    """
    INSERT INTO imported_things (tenant_id, kind, thing_id, studio_id, member_id, content_hash,
                                 sequence)
    SELECT :tenant_id, :kind, new.*
    FROM unnest(CAST(:ids AS uuid[]), CAST(:studio_ids AS uuid[]), CAST(:member_ids AS uuid[]),
                CAST(:hashes AS bytea[]), CAST(:sequences AS bigint[])) AS new
    ON CONFLICT (tenant_id, kind, thing_id) DO UPDATE
    SET studio_id = excluded.studio_id, member_id = excluded.member_id,
        content_hash = excluded.content_hash, sequence = excluded.sequence
    """
)
# A member that never was imported is known by its snapshot from elsewhere.
_STUDIOS_OF: Final = text(
    """
    SELECT wanted.member_id, coalesce(
        (SELECT studio_id FROM imported_things
         WHERE tenant_id = :tenant_id AND kind = 'members' AND thing_id = wanted.member_id),
        (SELECT studio_id FROM members
         WHERE tenant_id = :tenant_id AND members.member_id = wanted.member_id)) AS studio_id
    FROM unnest(CAST(:member_ids AS uuid[])) AS wanted (member_id)
    """
)


async def lock_tenant(connection: AsyncConnection, tenant_id: UUID) -> None:
    """Wait until nobody else publishes imports of the tenant; holds until the transaction ends."""
    await connection.execute(_LOCK_TENANT, {"tenant_id": str(tenant_id)})


async def make_ids(
    connection: AsyncConnection, tenant_id: UUID, kind: Kind, names: Iterable[str]
) -> Mapping[str, UUID]:
    """Return the id of each thing by what names it; a number that is new gets one."""
    wanted = set(names)
    numbers = sorted(name for name in wanted if as_id(name) is None)
    ids = [new_id() for _ in numbers]
    parameters = {"tenant_id": tenant_id, "kind": kind, "numbers": numbers}
    await connection.execute(_MAKE_IDS, {**parameters, "ids": ids})
    return await find_ids(connection, tenant_id, kind, wanted)


async def find_ids(
    connection: AsyncConnection, tenant_id: UUID, kind: Kind, names: Collection[str]
) -> Mapping[str, UUID]:
    """Return the id of each thing by what names it: a number that is known, or the id itself."""
    found = {name: thing_id for name in names if (thing_id := as_id(name))}
    numbers = [name for name in names if name not in found]
    rows = await connection.execute(
        _IDS, {"tenant_id": tenant_id, "kind": kind, "numbers": numbers}
    )
    return found | {row.number: row.thing_id for row in rows}


async def load_things(
    connection: AsyncConnection, tenant_id: UUID, kind: Kind, ids: Iterable[UUID]
) -> dict[UUID, Thing]:
    """Return what was published last of things, by id."""
    rows = await connection.execute(
        _THINGS, {"tenant_id": tenant_id, "kind": kind, "ids": list(ids)}
    )
    return {row.thing_id: Thing(**row._mapping) for row in rows}


async def save_things(
    connection: AsyncConnection, tenant_id: UUID, kind: Kind, things: Sequence[Thing]
) -> None:
    """Note what was published of things; each stands there once."""
    parameters: dict[str, Any] = {
        "tenant_id": tenant_id,
        "kind": kind,
        "ids": [thing.thing_id for thing in things],
        "studio_ids": [thing.studio_id for thing in things],
        "member_ids": [thing.member_id for thing in things],
        "hashes": [thing.content_hash for thing in things],
        "sequences": [thing.sequence for thing in things],
    }
    await connection.execute(_SAVE, parameters)


async def studios_of(
    connection: AsyncConnection, tenant_id: UUID, member_ids: Iterable[UUID]
) -> dict[UUID, UUID]:
    """Return the studio of each member."""
    rows = await connection.execute(
        _STUDIOS_OF, {"tenant_id": tenant_id, "member_ids": list(set(member_ids))}
    )
    return {row.member_id: row.studio_id for row in rows}
