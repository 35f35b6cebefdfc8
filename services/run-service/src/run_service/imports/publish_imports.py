"""The good rows of an import go out, a batch at a time; after a crash it goes on there (R12)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit import clock, outbox
from kit.context import Context
from run_service.imports import store, things
from run_service.imports.kinds import Kind, Status
from run_service.imports.rows import SNAPSHOTS, Snapshot
from run_service.imports.store import LockedImport, StoredFile
from run_service.imports.things import Thing
from run_service.imports.work_on_import import work_on_import

PUBLISH_IMPORTS: Final = "publish imports"
"""The worker's name."""

BATCH: Final = 500
"""Rows of one transaction."""

_TAKE: Final = text(
    """
    WITH batch AS (
        SELECT max(row) AS last FROM (
            SELECT row FROM import_rows
            WHERE tenant_id = :tenant_id AND import_id = :import_id AND kind = :kind
              AND row > :after AND snapshot IS NOT NULL
            ORDER BY row LIMIT :batch
        ) AS next
    ), taken AS (
        DELETE FROM import_rows
        WHERE tenant_id = :tenant_id AND import_id = :import_id AND kind = :kind
          AND row > :after AND row <= (SELECT last FROM batch)
        RETURNING row, number, studio_number, member_number, snapshot, content_hash
    )
    SELECT * FROM taken WHERE snapshot IS NOT NULL ORDER BY row
    """
)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A good row that was taken out of the import."""

    row: int
    number: str
    studio_number: str | None
    member_number: str | None
    snapshot: str
    content_hash: bytes


async def publish_imports(context: Context[Any]) -> bool:
    """Publish the next rows of an import, and tell whether there was one.

    Rows go when they are published, in one transaction with their events, so that each goes out
    once.
    """
    return await work_on_import(context, Status.PUBLISHING, _publish_next)


async def _publish_next(connection: AsyncConnection, import_: LockedImport) -> None:
    for file in import_.files:
        if taken := await _take(connection, import_, file):
            await _publish(connection, import_, file, taken)
            await store.change_import(connection, import_)
            return
    await store.count_unchanged(connection, import_)
    await store.delete_content(connection, import_)
    await store.change_import(
        connection, import_, status=Status.PUBLISHED, published_at=clock.now()
    )


async def _take(
    connection: AsyncConnection, import_: LockedImport, file: StoredFile
) -> list[_Taken]:
    """Take the next good rows out of a file, and the bad ones between them."""
    rows = await connection.execute(
        _TAKE,
        {**import_.key, "kind": file.kind, "after": file.last_row_done, "batch": BATCH},
    )
    return [_Taken(**row._mapping) for row in rows]


async def _publish(
    connection: AsyncConnection, import_: LockedImport, file: StoredFile, taken: Sequence[_Taken]
) -> None:
    """Publish what is new in the rows."""
    tenant_id, kind = import_.tenant_id, file.kind
    await things.lock_tenant(connection, tenant_id)
    incoming = await _things(connection, tenant_id, kind, taken)
    known = await things.load_things(
        connection, tenant_id, kind, {thing.thing_id for thing in incoming}
    )
    changed = changes(incoming, known, _milliseconds())
    newest = {thing.thing_id: thing for thing in changed if thing is not None}
    await things.save_things(connection, tenant_id, kind, list(newest.values()))
    outgoing = [
        (_snapshot(kind, row, thing), import_.cause)
        for row, thing in zip(taken, changed, strict=True)
        if thing is not None
    ]
    await outbox.publish(connection, outgoing)
    await store.change_file(
        connection,
        import_,
        kind,
        published=file.published + len(outgoing),
        last_row_done=taken[-1].row,
    )


async def _things(
    connection: AsyncConnection, tenant_id: UUID, kind: Kind, taken: Sequence[_Taken]
) -> list[Thing]:
    """Return what is to be published of each row, without its sequence.

    Owners are there: they were published before what they own, or known when it was checked.
    """
    ids = await things.make_ids(connection, tenant_id, kind, {row.number for row in taken})
    studios = await things.find_ids(
        connection, tenant_id, Kind.STUDIOS, {each for row in taken if (each := row.studio_number)}
    )
    members = await things.find_ids(
        connection, tenant_id, Kind.MEMBERS, {each for row in taken if (each := row.member_number)}
    )
    studios_of = await things.studios_of(connection, tenant_id, members.values())
    found = []
    for row in taken:
        member_id = members[row.member_number] if row.member_number else None
        studio_id = studios[row.studio_number] if row.studio_number else None
        if studio_id is None and member_id is not None:
            studio_id = studios_of[member_id]
        found.append(Thing(ids[row.number], studio_id, member_id, row.content_hash, sequence=0))
    return found


def changes(incoming: Iterable[Thing], known: Mapping[UUID, Thing], now: int) -> list[Thing | None]:
    """Return each thing with the sequence to publish it with, or None where nothing is new.

    The sequence is the time (`now`, in milliseconds since 1970), so that the newest import wins,
    and always above that of the import before.
    """
    newest = dict(known)
    changed: list[Thing | None] = []
    for thing in incoming:
        last = newest.get(thing.thing_id)
        if last is not None and replace(thing, sequence=last.sequence) == last:
            changed.append(None)
            continue
        sequence = now if last is None else max(now, last.sequence + 1)
        newest[thing.thing_id] = replace(thing, sequence=sequence)
        changed.append(newest[thing.thing_id])
    return changed


def _snapshot(kind: Kind, row: _Taken, thing: Thing) -> Snapshot:
    """Return the snapshot of a row, with all that was not known when it was checked."""
    own: Mapping[Kind, Mapping[str, UUID | None]] = {
        Kind.STUDIOS: {"studio_id": thing.thing_id},
        Kind.MEMBERS: {"member_id": thing.thing_id, "studio_id": thing.studio_id},
        Kind.CLAIMS: {
            "claim_id": thing.thing_id,
            "member_id": thing.member_id,
            "studio_id": thing.studio_id,
        },
    }
    snapshot = SNAPSHOTS[kind].model_validate_json(row.snapshot)
    return snapshot.model_copy(update={**own[kind], "sequence": thing.sequence})


def _milliseconds() -> int:
    return round(clock.now().timestamp() * 1000)
