"""What the verbs load and save of runs. Sets of rows change in one statement each."""

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import TextClause, insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import RunStudio
from contracts.parts import Channel, Trigger
from kit.trace import Cause
from run_service.money import money_of
from run_service.runs.run import RunStatus
from run_service.tables import previews, runs

# Making a run

_RUN_LOCKS: Final = 20_260_002
"""Names, among the advisory locks, those on the making of a tenant's runs."""

_LOCK_MAKING = text("SELECT pg_advisory_xact_lock(:locks, hashtext(:tenant_id))")
_COUNT_MEMBERS = text(
    """
    SELECT count(*) FROM preview_members
    WHERE tenant_id = :tenant_id AND preview_id = :preview_id AND NOT left_out
    """
)
_NEXT_NUMBER = text(
    """
    INSERT INTO booking_numbers (tenant_id, year, last) VALUES (:tenant_id, :year, 1)
    ON CONFLICT (tenant_id, year) DO UPDATE SET last = booking_numbers.last + 1
    RETURNING last
    """
)
_INSERT_STUDIOS = text(
    """
    INSERT INTO run_studios (
        tenant_id, run_id, studio_id, transfer_id, name, first_booking_number, member_count,
        claim_count)
    SELECT tenant_id, :run_id, studio_id, uuidv7(), studio.name,
           sum(member_count) OVER (ORDER BY first_place) - member_count + 1, member_count,
           claim_count
    FROM (
        SELECT tenant_id, preview_id, studio_id, min(place) AS first_place,
               count(*) AS member_count, sum(cardinality(claim_ids)) AS claim_count
        FROM preview_members
        WHERE tenant_id = :tenant_id AND preview_id = :preview_id AND NOT left_out
        GROUP BY tenant_id, preview_id, studio_id
    ) AS part JOIN preview_studios AS studio USING (tenant_id, preview_id, studio_id)
    """
)
_INSERT_TOTALS = text(
    """
    INSERT INTO run_studio_totals (tenant_id, run_id, studio_id, currency, amount)
    SELECT tenant_id, :run_id, studio_id, currency, sum(total) FROM preview_members
    WHERE tenant_id = :tenant_id AND preview_id = :preview_id AND NOT left_out
    GROUP BY tenant_id, studio_id, currency
    """
)
_STUDIOS = text(
    """
    SELECT studio_id, transfer_id, member_count, claim_count,
           (SELECT json_agg(json_build_array(amount::text, currency) ORDER BY currency)
            FROM run_studio_totals AS total
            WHERE total.tenant_id = studio.tenant_id AND total.run_id = studio.run_id
              AND total.studio_id = studio.studio_id) AS totals
    FROM run_studios AS studio
    WHERE tenant_id = :tenant_id AND run_id = :run_id
    ORDER BY first_booking_number
    """
)


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run as it is made."""

    run_id: UUID
    booking_number: str
    preview_id: UUID
    partner_id: UUID
    partner_channel: Channel
    trigger: Trigger
    collection_date: date
    created_at: datetime
    created_by: str
    member_count: int


async def lock_making(connection: AsyncConnection, tenant_id: UUID) -> None:
    """Let one run of a tenant be made at a time, so that each sees the members of the others."""
    await connection.execute(_LOCK_MAKING, {"locks": _RUN_LOCKS, "tenant_id": str(tenant_id)})


async def count_members(connection: AsyncConnection, tenant_id: UUID, preview_id: UUID) -> int:
    """Return how many members of a preview are not left out."""
    keys = {"tenant_id": tenant_id, "preview_id": preview_id}
    return int(await connection.scalar(_COUNT_MEMBERS, keys))


async def next_booking_count(connection: AsyncConnection, tenant_id: UUID, year: int) -> int:
    """Count one run more of a tenant's year; without gaps, as a rollback takes it back."""
    return int(await connection.scalar(_NEXT_NUMBER, {"tenant_id": tenant_id, "year": year}))


async def insert_run(
    connection: AsyncConnection, tenant_id: UUID, run: NewRun, cause: Cause
) -> None:
    """Add a run with the studios of its preview, and mark the preview as used."""
    await connection.execute(
        insert(runs).values(
            tenant_id=tenant_id,
            status=RunStatus.IN_PROGRESS.value,
            published=0,
            last_place=0,
            correlation_id=cause.correlation_id,
            traceparent=cause.traceparent,
            **asdict(run),
        )
    )
    keys = {"tenant_id": tenant_id, "run_id": run.run_id, "preview_id": run.preview_id}
    await connection.execute(_INSERT_STUDIOS, keys)
    await connection.execute(_INSERT_TOTALS, keys)
    await connection.execute(
        update(previews)
        .where(previews.c.tenant_id == tenant_id, previews.c.preview_id == run.preview_id)
        .values(run_id=run.run_id)
    )


async def load_studios(
    connection: AsyncConnection, tenant_id: UUID, run_id: UUID
) -> list[RunStudio]:
    """Return the studios of a run in the order of their booking numbers (R7)."""
    rows = await connection.execute(_STUDIOS, {"tenant_id": tenant_id, "run_id": run_id})
    return [
        RunStudio(
            studio_id=row.studio_id,
            transfer_id=row.transfer_id,
            member_count=row.member_count,
            claim_count=row.claim_count,
            totals=money_of(row.totals),
        )
        for row in rows
    ]


# Changing a run


@dataclass(frozen=True, slots=True)
class LockedRun:
    """A run whose row is locked until the transaction ends."""

    tenant_id: UUID
    run_id: UUID
    booking_number: str
    preview_id: UUID
    partner_id: UUID
    partner_channel: Channel
    trigger: Trigger
    status: RunStatus
    collection_date: date
    member_count: int
    published: int
    last_place: int
    reversal_requested_at: datetime | None
    creation: Cause
    reversal: Cause | None

    @property
    def key(self) -> dict[str, UUID]:
        """What names the run in a statement."""
        return {"tenant_id": self.tenant_id, "run_id": self.run_id}


_LOCK = text(
    "SELECT * FROM runs WHERE tenant_id = :tenant_id AND run_id = :run_id FOR NO KEY UPDATE"
)
# The run with the fewest published first: a small run does not wait for a large one to end. Of two
# that are as far, the older.
_LOCK_TO_PUBLISH = text(
    """
    SELECT * FROM runs
    WHERE published < member_count AND (next_try_at IS NULL OR next_try_at <= now())
    ORDER BY published, run_id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    """
)
# The counts that have waited longest first; a run that cannot be settled holds no other up.
_LOCK_TALLIED = text(
    """
    SELECT runs.* FROM runs JOIN (
        SELECT tenant_id, run_id, min(tally_id) AS first FROM run_tallies
        GROUP BY tenant_id, run_id
    ) AS tallied USING (tenant_id, run_id)
    WHERE next_settling_at IS NULL OR next_settling_at <= now()
    ORDER BY first LIMIT 1 FOR NO KEY UPDATE OF runs SKIP LOCKED
    """
)


async def lock_run(connection: AsyncConnection, tenant_id: UUID, run_id: UUID) -> LockedRun | None:
    """Return a run of the tenant, locked."""
    return await _lock(connection, _LOCK, {"tenant_id": tenant_id, "run_id": run_id})


async def lock_run_to_publish(connection: AsyncConnection) -> LockedRun | None:
    """Return a run of any tenant whose handovers are not all published; none that others hold."""
    return await _lock(connection, _LOCK_TO_PUBLISH, {})


async def lock_tallied_run(connection: AsyncConnection) -> LockedRun | None:
    """Return a run of any tenant that has counts to be added; none that others hold."""
    return await _lock(connection, _LOCK_TALLIED, {})


async def change_run(connection: AsyncConnection, run: LockedRun, **values: object) -> None:
    """Save new values of columns of a locked run."""
    await connection.execute(
        update(runs)
        .where(runs.c.tenant_id == run.tenant_id, runs.c.run_id == run.run_id)
        .values(**values)
    )


async def _lock(
    connection: AsyncConnection, statement: TextClause, parameters: dict[str, UUID]
) -> LockedRun | None:
    row = (await connection.execute(statement, parameters)).one_or_none()
    if row is None:
        return None
    reversal = row.reversal_correlation_id and Cause(
        row.tenant_id, row.reversal_correlation_id, row.reversal_traceparent
    )
    return LockedRun(
        tenant_id=row.tenant_id,
        run_id=row.run_id,
        booking_number=row.booking_number,
        preview_id=row.preview_id,
        partner_id=row.partner_id,
        partner_channel=row.partner_channel,
        trigger=row.trigger,
        status=RunStatus(row.status),
        collection_date=row.collection_date,
        member_count=row.member_count,
        published=row.published,
        last_place=row.last_place,
        reversal_requested_at=row.reversal_requested_at,
        creation=Cause(row.tenant_id, row.correlation_id, row.traceparent),
        reversal=reversal,
    )
