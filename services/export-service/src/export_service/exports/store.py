"""The table of exports, and the SQL that changes it.

Every statement names the tenant, or a job that was claimed. What time it is says the database: the
clocks of those who render may differ.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    and_,
    func,
    null,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports.export import (
    LEASE,
    LONGEST_WAIT,
    MAX_ATTEMPTS,
    ExportKind,
    FailureReason,
    Format,
    Job,
    Layout,
    Status,
)
from export_service.exports.missing import AWAITED, MISSING
from export_service.members.wanted import WantedMembers
from export_service.rendering.csv_writer import CsvDialect
from export_service.rendering.language import Language
from kit.trace import Cause

tables = MetaData()

_ID: Final = PG_UUID(as_uuid=True)
_TIME: Final = DateTime(timezone=True)

exports: Final = Table(
    "exports",
    tables,
    Column("export_id", _ID, primary_key=True),
    Column("tenant_id", _ID, nullable=False),
    Column("kind", Text, nullable=False),
    Column("run_id", _ID),
    Column("studio_ids", ARRAY(_ID)),
    Column("studios_named", Boolean, nullable=False),
    Column("filters", JSONB),
    Column("format", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("csv_dialect", Text, nullable=False),
    Column("csv_guarded", Boolean, nullable=False),
    Column("per_studio", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("failure_reason", Text),
    Column("rows_done", Integer, nullable=False),
    Column("rows_total", Integer),
    Column("members_missing", Integer),
    Column("attempt", Integer, nullable=False),
    Column("leased_until", _TIME),
    Column("file_name", Text),
    Column("size_bytes", BigInteger),
    Column("sha256", Text),
    Column("created_by", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("cancelled_by", Text),
    Column("cancelled_at", _TIME),
    Column("completed_at", _TIME),
    Column("expires_at", _TIME),
    Column("delete_file_at", _TIME),
    Column("deletion_failed_at", _TIME),
    Column("file_deleted_at", _TIME),
    Column("correlation_id", Text, nullable=False),
    Column("traceparent", Text),
    comment="exports and the jobs of making them; studio_ids is null for all studios",
)


@dataclass(frozen=True, slots=True)
class Finished:
    """What is known of an export once its file is whole."""

    row_count: int
    file_name: str
    size_bytes: int
    sha256: str
    completed_at: datetime
    expires_at: datetime


async def insert_export(
    connection: AsyncConnection,
    *,
    export_id: UUID,
    kind: ExportKind,
    run_id: UUID | None,
    studio_ids: Sequence[UUID] | None,
    studios_named: bool,
    filters: WantedMembers | None,
    layout: Layout,
    created_by: str,
    cause: Cause,
) -> None:
    """Adds an export that waits for its members."""
    await connection.execute(
        exports.insert().values(
            export_id=export_id,
            tenant_id=cause.tenant_id,
            kind=kind,
            run_id=run_id,
            studio_ids=studio_ids,
            studios_named=studios_named,
            filters=null() if filters is None else filters.model_dump(mode="json"),
            **asdict(layout),
            status=Status.WAITING,
            rows_done=0,
            attempt=0,
            created_by=created_by,
            created_at=func.now(),
            correlation_id=cause.correlation_id,
            traceparent=cause.traceparent,
        )
    )


async def count_unfinished(connection: AsyncConnection, tenant_id: UUID) -> int:
    """How many exports of a tenant wait or run."""
    unfinished = await connection.scalar(
        select(func.count())
        .select_from(exports)
        .where(
            exports.c.tenant_id == tenant_id,
            exports.c.status.in_([Status.WAITING, Status.RUNNING]),
        )
    )
    return unfinished or 0


# Of the overview null: how many rows it will have is not known before.
_ROWS = """
    (
        SELECT sum(claim_count) FROM run_studios AS part
        WHERE part.tenant_id = exports.tenant_id AND part.run_id = exports.run_id
          AND (exports.studio_ids IS NULL OR part.studio_id = ANY (exports.studio_ids))
    )
"""

_CLAIM = text(
    f"""
    WITH next AS (
        SELECT export_id FROM exports
        LEFT JOIN (
            SELECT tenant_id, count(*) AS exports_running FROM exports
            WHERE status = 'RUNNING'
            GROUP BY tenant_id
        ) AS busy USING (tenant_id)
        WHERE (status = 'WAITING' OR status = 'RUNNING' AND leased_until < now()) AND {AWAITED} = 0
          AND (CAST(:max_rows AS integer) IS NULL OR {_ROWS} <= :max_rows)
        ORDER BY coalesce(exports_running, 0), created_at
        LIMIT 1
        FOR UPDATE OF exports SKIP LOCKED
    )
    UPDATE exports
    SET status = 'RUNNING', attempt = attempt + 1, leased_until = now() + CAST(:lease AS interval),
        rows_done = 0, rows_total = NULL
    FROM next
    WHERE exports.export_id = next.export_id
    RETURNING exports.*
    """  # noqa: S608 - constants
)


async def claim_export(connection: AsyncConnection, max_rows: int | None) -> Job | None:
    """Takes an export that waits for no member and that nobody has, for a `LEASE`.

    It is the oldest of a tenant of whom the fewest are running: who orders many holds up nobody
    else. With `max_rows` only those count of which it is known that they have no more rows.
    """
    found = await connection.execute(_CLAIM, {"lease": LEASE, "max_rows": max_rows})
    row = found.one_or_none()
    if row is None:
        return None
    return Job(
        export_id=row.export_id,
        tenant_id=row.tenant_id,
        run_id=row.run_id,
        studio_ids=row.studio_ids,
        studios_named=row.studios_named,
        filters=None if row.filters is None else WantedMembers.model_validate(row.filters),
        layout=layout_of(row),
        created_at=row.created_at,
        attempt=row.attempt,
        cause=Cause(row.tenant_id, row.correlation_id, row.traceparent),
    )


_OLDEST_READY = text(
    f"""
    SELECT now() - min(created_at) FROM exports
    WHERE (status = 'WAITING' OR status = 'RUNNING' AND leased_until < now()) AND {AWAITED} = 0
    """  # noqa: S608 - constants
)


async def oldest_ready(connection: AsyncConnection) -> timedelta:
    """How long ago the oldest export was ordered that can be claimed; nothing if there is none."""
    age: timedelta | None = await connection.scalar(_OLDEST_READY)
    return age or timedelta()


def layout_of(row: Row[Any]) -> Layout:
    """The layout of an export, from its row."""
    return Layout(
        format=Format(row.format),
        language=Language(row.language),
        csv_dialect=CsvDialect(row.csv_dialect),
        csv_guarded=row.csv_guarded,
        per_studio=row.per_studio,
    )


async def expect_rows(
    connection: AsyncConnection, job: Job, rows_total: int, members_missing: int | None
) -> bool:
    """Notes how many rows there will be, and who will be missing; False if not ours any more."""
    return await _update_job(
        connection, job, rows_total=rows_total, members_missing=members_missing
    )


async def report_progress(connection: AsyncConnection, job: Job, rows_done: int) -> bool:
    """Notes how many rows are written and prolongs the lease; False if the job is not ours now."""
    return await _update_job(connection, job, rows_done=rows_done, leased_until=func.now() + LEASE)


async def prolong_leases(connection: AsyncConnection, jobs: Sequence[Job]) -> None:
    """Keeps these jobs for another `LEASE`, as far as they are ours."""
    await connection.execute(
        exports.update().where(_are_ours(jobs)).values(leased_until=func.now() + LEASE)
    )


async def give_back(connection: AsyncConnection, jobs: Sequence[Job]) -> None:
    """Lets others begin these jobs again at once, as far as they are ours."""
    await connection.execute(
        exports.update()
        .where(_are_ours(jobs))
        .values(status=Status.WAITING, leased_until=None, rows_done=0, rows_total=None)
    )


async def is_cancelled(connection: AsyncConnection, job: Job) -> bool:
    """Whether somebody has cancelled it."""
    status = await connection.scalar(
        select(exports.c.status).where(
            exports.c.tenant_id == job.tenant_id, exports.c.export_id == job.export_id
        )
    )
    return status == Status.CANCELLED


async def complete_export(connection: AsyncConnection, job: Job, finished: Finished) -> bool:
    """Marks the export COMPLETED; False if the job is not ours any more."""
    return await _update_job(
        connection,
        job,
        status=Status.COMPLETED,
        leased_until=None,
        rows_done=finished.row_count,
        rows_total=finished.row_count,
        file_name=finished.file_name,
        size_bytes=finished.size_bytes,
        sha256=finished.sha256,
        completed_at=finished.completed_at,
        expires_at=finished.expires_at,
        delete_file_at=finished.expires_at,
    )


async def fail_export(connection: AsyncConnection, job: Job, reason: FailureReason) -> bool:
    """Marks the export FAILED for good; False if the job is not ours any more."""
    return await _update_job(
        connection,
        job,
        status=Status.FAILED,
        leased_until=None,
        failure_reason=reason,
        delete_file_at=func.now(),
    )


async def cancel_export(
    connection: AsyncConnection, tenant_id: UUID, export_id: UUID, *, by: str
) -> bool:
    """Cancels an export that is waiting or running; False if it is neither."""
    cancelled = await connection.execute(
        exports.update()
        .where(
            exports.c.tenant_id == tenant_id,
            exports.c.export_id == export_id,
            exports.c.status.in_([Status.WAITING, Status.RUNNING]),
        )
        .values(
            status=Status.CANCELLED,
            leased_until=None,
            cancelled_by=by,
            cancelled_at=func.now(),
            delete_file_at=func.now() + LEASE,  # whoever renders it has stopped by then
        )
    )
    return cancelled.rowcount == 1


_FAIL_HOPELESS = text(
    f"""
    UPDATE exports
    SET status = 'FAILED', leased_until = NULL, delete_file_at = now(),
        failure_reason = CASE status WHEN 'WAITING' THEN :incomplete ELSE :interrupted END,
        members_missing = CASE status WHEN 'WAITING' THEN {MISSING} ELSE members_missing END
    WHERE status = 'WAITING' AND created_at < now() - CAST(:patience AS interval)
            AND {AWAITED} IS DISTINCT FROM 0
       OR status = 'RUNNING' AND leased_until < now() AND attempt >= :attempts
    RETURNING export_id, failure_reason
    """  # noqa: S608
)


async def fail_hopeless_exports(
    connection: AsyncConnection,
) -> list[tuple[UUID, FailureReason]]:
    """Fails exports whose run has not become whole in time, or that no worker gets through.

    Returns which, and why.
    """
    failed = await connection.execute(
        _FAIL_HOPELESS,
        {
            "patience": LONGEST_WAIT,
            "attempts": MAX_ATTEMPTS,
            "incomplete": FailureReason.RUN_INCOMPLETE,
            "interrupted": FailureReason.INTERRUPTED,
        },
    )
    return [(row.export_id, FailureReason(row.failure_reason)) for row in failed]


async def count_overdue_files(connection: AsyncConnection, grace: timedelta) -> int:
    """How many exports have files that should have been deleted so long ago."""
    overdue = await connection.scalar(
        select(func.count())
        .select_from(exports)
        .where(exports.c.delete_file_at < func.now() - grace, exports.c.file_deleted_at.is_(None))
    )
    return overdue or 0


async def _update_job(connection: AsyncConnection, job: Job, **values: Any) -> bool:
    """Changes the export if this attempt still has it: an earlier attempt changes nothing."""
    updated = await connection.execute(exports.update().where(_are_ours([job])).values(**values))
    return updated.rowcount == 1


def _are_ours(jobs: Sequence[Job]) -> ColumnElement[bool]:
    keys = [(job.tenant_id, job.export_id, job.attempt) for job in jobs]
    key = tuple_(exports.c.tenant_id, exports.c.export_id, exports.c.attempt)
    return and_(exports.c.status == Status.RUNNING, key.in_(keys))
