"""Tables of runs and of the rows of their exports, and the SQL that fills them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Boolean, Column, Date, DateTime, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.read_in_order import read_in_order
from kit.database import copy_rows

tables = MetaData()

_ID: Final = PG_UUID(as_uuid=True)
_TIME: Final = DateTime(timezone=True)

Values = dict[str, Any]
"""A row: each column by its name. All rows of one set have the same columns."""

RunKey = tuple[UUID, UUID]
"""Tenant and run: what a run is known by."""

runs: Final = Table(
    "runs",
    tables,
    Column("tenant_id", _ID, primary_key=True),
    Column("run_id", _ID, primary_key=True),
    Column("booking_number", Text, nullable=False),
    Column("partner_id", _ID, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("collection_date", Date, nullable=False),
    Column("created_at", _TIME),
    Column("heard_of_at", _TIME, nullable=False),
    Column("handed_over_at", _TIME),
    Column("rejected_at", _TIME),
    Column("reversed_at", _TIME),
    Column("accepted_count", Integer),
    Column("rejected_count", Integer),
    Column("details_deleted_at", _TIME),
    Column("has_rows", Boolean, nullable=False),
    comment="runs of which something is known; created_at is null until a run is announced",
)

run_studios: Final = Table(
    "run_studios",
    tables,
    Column("tenant_id", _ID, primary_key=True),
    Column("run_id", _ID, primary_key=True),
    Column("studio_id", _ID, primary_key=True),
    Column("member_count", Integer),
    Column("claim_count", Integer),
    Column("totals", JSONB),
    Column("studio_name", Text),
    Column("members_arrived", Integer, nullable=False),
    Column("claims_arrived", Integer, nullable=False),
    comment="what was announced of each studio of a run, and what has arrived; totals by currency",
)

handover_rows: Final = Table(
    "handover_rows",
    tables,
    Column("tenant_id", _ID, primary_key=True),
    Column("run_id", _ID, primary_key=True),
    Column("studio_id", _ID, primary_key=True),
    Column("booking_number", Integer, primary_key=True),
    Column("claim_index", Integer, primary_key=True, comment="of the first of the claims"),
    Column("cells", JSON, nullable=False),
    Column("claims", JSON, nullable=False),
    comment="rows of exports, read in the order of the key: cells, then those of one of the claims",
)

_ANNOUNCE_RUNS = text(
    """
    INSERT INTO runs
        (tenant_id, run_id, booking_number, partner_id, trigger, collection_date, created_at)
    SELECT * FROM unnest(
        CAST(:tenant_id AS uuid[]), CAST(:run_id AS uuid[]), CAST(:booking_number AS text[]),
        CAST(:partner_id AS uuid[]), CAST(:trigger AS text[]), CAST(:collection_date AS date[]),
        CAST(:created_at AS timestamptz[]))
    ON CONFLICT (tenant_id, run_id) DO UPDATE SET created_at = excluded.created_at
    WHERE runs.created_at IS NULL
    """
)

_ANNOUNCE_STUDIOS = text(
    """
    INSERT INTO run_studios
        (tenant_id, run_id, studio_id, member_count, claim_count, totals)
    SELECT tenant_id, run_id, studio_id, member_count, claim_count, CAST(totals AS jsonb)
    FROM unnest(
        CAST(:tenant_id AS uuid[]), CAST(:run_id AS uuid[]), CAST(:studio_id AS uuid[]),
        CAST(:member_count AS integer[]), CAST(:claim_count AS integer[]),
        CAST(:totals AS text[]))
        AS announced (tenant_id, run_id, studio_id, member_count, claim_count, totals)
    ON CONFLICT (tenant_id, run_id, studio_id) DO UPDATE
    SET member_count = excluded.member_count, claim_count = excluded.claim_count,
        totals = excluded.totals
    WHERE run_studios.member_count IS NULL
    """
)


async def announce_runs(
    connection: AsyncConnection, new_runs: Sequence[Values], new_studios: Sequence[Values]
) -> None:
    """Keeps what was announced of runs, each once, in the order of their keys.

    What was announced already stays.
    """
    await connection.execute(_ANNOUNCE_RUNS, _columns(new_runs))
    await connection.execute(_ANNOUNCE_STUDIOS, _columns(new_studios))


_ENTER_RUNS = text(
    """
    INSERT INTO runs (tenant_id, run_id, booking_number, partner_id, trigger, collection_date)
    SELECT * FROM unnest(
        CAST(:tenant_id AS uuid[]), CAST(:run_id AS uuid[]), CAST(:booking_number AS text[]),
        CAST(:partner_id AS uuid[]), CAST(:trigger AS text[]), CAST(:collection_date AS date[]))
    ON CONFLICT DO NOTHING
    """
)


# Whoever finds that a run has no rows locks it against this: it waits until the new ones are there.
_AWAIT_ROWS = text(
    """
    SELECT has_rows
    FROM runs
    JOIN unnest(CAST(:tenant_id AS uuid[]), CAST(:run_id AS uuid[])) AS given (tenant_id, run_id)
        USING (tenant_id, run_id)
    ORDER BY tenant_id, run_id
    FOR KEY SHARE OF runs
    """
)

_HAVE_ROWS_AGAIN = text(
    """
    UPDATE runs SET has_rows = true
    FROM unnest(CAST(:tenant_id AS uuid[]), CAST(:run_id AS uuid[])) AS given (tenant_id, run_id)
    WHERE runs.tenant_id = given.tenant_id AND runs.run_id = given.run_id AND NOT has_rows
    """
)


async def enter_runs(connection: AsyncConnection, heard_of: Sequence[Values]) -> None:
    """Keeps runs whose members arrive, in the order of their keys; they may be known before."""
    columns = _columns(heard_of)
    await connection.execute(_ENTER_RUNS, columns)
    keys = {name: columns[name] for name in ("tenant_id", "run_id")}
    if not all(await connection.scalars(_AWAIT_ROWS, keys)):
        await connection.execute(_HAVE_ROWS_AGAIN, keys)


_FOLLOW_RUNS = text(
    """
    UPDATE runs
    SET handed_over_at = coalesce(given.handed_over_at, runs.handed_over_at),
        rejected_at = coalesce(given.rejected_at, runs.rejected_at),
        reversed_at = coalesce(given.reversed_at, runs.reversed_at),
        accepted_count = coalesce(given.accepted_count, runs.accepted_count),
        rejected_count = coalesce(given.rejected_count, runs.rejected_count)
    FROM unnest(
        CAST(:tenant_id AS uuid[]), CAST(:run_id AS uuid[]),
        CAST(:handed_over_at AS timestamptz[]), CAST(:rejected_at AS timestamptz[]),
        CAST(:reversed_at AS timestamptz[]), CAST(:accepted_count AS integer[]),
        CAST(:rejected_count AS integer[]))
        AS given (tenant_id, run_id, handed_over_at, rejected_at, reversed_at, accepted_count,
                  rejected_count)
    WHERE runs.tenant_id = given.tenant_id AND runs.run_id = given.run_id
    RETURNING runs.tenant_id, runs.run_id
    """
)


async def follow_runs(connection: AsyncConnection, told: Sequence[Values]) -> set[RunKey]:
    """Keeps what has become of runs; returns which of them are known."""
    followed = await connection.execute(_FOLLOW_RUNS, _columns(told))
    return {(row.tenant_id, row.run_id) for row in followed}


_COUNT_ARRIVED = text(
    """
    INSERT INTO run_studios
        (tenant_id, run_id, studio_id, studio_name, members_arrived, claims_arrived)
    SELECT * FROM unnest(
        CAST(:tenant_id AS uuid[]), CAST(:run_id AS uuid[]), CAST(:studio_id AS uuid[]),
        CAST(:studio_name AS text[]), CAST(:members_arrived AS integer[]),
        CAST(:claims_arrived AS integer[]))
        AS given (tenant_id, run_id, studio_id)
    ORDER BY tenant_id, run_id, studio_id
    ON CONFLICT (tenant_id, run_id, studio_id) DO UPDATE
    SET studio_name = least(run_studios.studio_name, excluded.studio_name),
        members_arrived = run_studios.members_arrived + excluded.members_arrived,
        claims_arrived = run_studios.claims_arrived + excluded.claims_arrived
    """
)


async def count_arrived(connection: AsyncConnection, arrived: Sequence[Values]) -> None:
    """Adds to what has arrived of studios, each once; rows are locked in the order of their keys.

    It comes last of what is done for a group of messages: all who bring members of one run write
    the same rows, and wait for each other from here on.
    """
    await connection.execute(_COUNT_ARRIVED, _columns(arrived))


HandoverRow = tuple[UUID, UUID, UUID, int, int, str, str]
"""Values in the order of the table's columns; the last two are JSON."""


async def copy_handover_rows(connection: AsyncConnection, rows: Iterable[HandoverRow]) -> None:
    """Adds new rows."""
    await copy_rows(connection, handover_rows.name, list(handover_rows.c.keys()), rows)


_MARK_DETAILS_DELETED = text(
    """
    UPDATE runs SET details_deleted_at = :now
    WHERE collection_date < :before AND has_rows AND details_deleted_at IS NULL
    """
)

_TAKE_OLD_RUN = text(
    """
    SELECT tenant_id, run_id FROM runs
    WHERE collection_date < :before AND has_rows
    ORDER BY collection_date
    LIMIT 1
    FOR UPDATE SKIP LOCKED
    """
)

_DELETE_ROWS = text(
    """
    DELETE FROM handover_rows
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM handover_rows
        WHERE tenant_id = :tenant_id AND run_id = :run_id
        ORDER BY studio_id, booking_number, claim_index
        LIMIT :limit
    ))
    """
)

_HAS_NO_ROWS = text(
    "UPDATE runs SET has_rows = false WHERE tenant_id = :tenant_id AND run_id = :run_id"
)


async def delete_rows_before(
    connection: AsyncConnection, before: date, now: datetime, limit: int
) -> bool:
    """Deletes some rows of one of the runs of before a day, and says so at all of these runs.

    Returns whether it found one with rows. Rows that arrive for such a run later are found, too.
    """
    await connection.execute(_MARK_DETAILS_DELETED, {"before": before, "now": now})
    await read_in_order(connection)
    taken = (await connection.execute(_TAKE_OLD_RUN, {"before": before})).one_or_none()
    if taken is None:
        return False
    run = {"tenant_id": taken.tenant_id, "run_id": taken.run_id}
    deleted = await connection.execute(_DELETE_ROWS, run | {"limit": limit})
    if deleted.rowcount < limit:
        await connection.execute(_HAS_NO_ROWS, run)
    return True


def _columns(rows: Sequence[Values]) -> dict[str, list[Any]]:
    """The rows as one list for each column, as `unnest` takes them."""
    return {name: [row[name] for row in rows] for name in rows[0]}
