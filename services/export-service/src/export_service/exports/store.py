"""The table of exports, and the SQL that changes it.

Every statement names the tenant, or a job that was claimed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports.export import (
    LEASE,
    LONGEST_WAIT,
    MAX_ATTEMPTS,
    FailureReason,
    Format,
    Job,
    Status,
)
from kit.trace import Cause

tables = MetaData()

_ID: Final = PG_UUID(as_uuid=True)
_TIME: Final = DateTime(timezone=True)

exports: Final = Table(
    "exports",
    tables,
    Column("export_id", _ID, primary_key=True),
    Column("tenant_id", _ID, nullable=False),
    Column("run_id", _ID, nullable=False),
    Column("format", Text, nullable=False),
    Column("studio_ids", ARRAY(_ID)),
    Column("status", Text, nullable=False),
    Column("failure_reason", Text),
    Column("rows_done", Integer, nullable=False),
    Column("rows_total", Integer),
    Column("attempt", Integer, nullable=False),
    Column("leased_until", _TIME),
    Column("file_name", Text),
    Column("size_bytes", BigInteger),
    Column("sha256", Text),
    Column("created_by", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("completed_at", _TIME),
    Column("expires_at", _TIME),
    Column("file_deleted_at", _TIME),
    Column("correlation_id", Text, nullable=False),
    Column("traceparent", Text),
    comment="exports and the jobs of making them; studio_ids is null for the whole run",
)


@dataclass(frozen=True, slots=True)
class Finished:
    """What is known of an export once its file is whole."""

    file_name: str
    size_bytes: int
    sha256: str
    completed_at: datetime
    expires_at: datetime


async def insert_export(
    connection: AsyncConnection,
    *,
    export_id: UUID,
    run_id: UUID,
    format_: Format,
    studio_ids: Sequence[UUID] | None,
    created_by: str,
    created_at: datetime,
    cause: Cause,
) -> None:
    """Adds an export that waits for its run."""
    await connection.execute(
        exports.insert().values(
            export_id=export_id,
            tenant_id=cause.tenant_id,
            run_id=run_id,
            format=format_,
            studio_ids=studio_ids,
            status=Status.WAITING,
            rows_done=0,
            attempt=0,
            created_by=created_by,
            created_at=created_at,
            correlation_id=cause.correlation_id,
            traceparent=cause.traceparent,
        )
    )


_CLAIM = text(
    """
    WITH next AS (
        SELECT exports.export_id, announced.claims
        FROM exports
        JOIN runs USING (tenant_id, run_id)
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(member_count), 0) AS members,
                   coalesce(sum(claim_count), 0) AS claims
            FROM run_studios
            WHERE run_studios.tenant_id = exports.tenant_id
              AND run_studios.run_id = exports.run_id
              AND (exports.studio_ids IS NULL OR studio_id = ANY (exports.studio_ids))
        ) AS announced
        CROSS JOIN LATERAL (
            SELECT count(*) AS members, coalesce(sum(claim_count), 0) AS claims
            FROM handovers
            WHERE handovers.tenant_id = exports.tenant_id
              AND handovers.run_id = exports.run_id
              AND (exports.studio_ids IS NULL OR studio_id = ANY (exports.studio_ids))
        ) AS arrived
        WHERE (status = 'WAITING' OR status = 'RUNNING' AND leased_until < :now)
          AND (arrived.members, arrived.claims) = (announced.members, announced.claims)
        ORDER BY exports.created_at
        LIMIT 1
        FOR UPDATE OF exports SKIP LOCKED
    )
    UPDATE exports
    SET status = 'RUNNING', attempt = attempt + 1, leased_until = :leased_until,
        rows_done = 0, rows_total = next.claims
    FROM next
    WHERE exports.export_id = next.export_id
    RETURNING exports.export_id, tenant_id, run_id, format, studio_ids, attempt,
              correlation_id, traceparent
    """
)


async def claim_export(connection: AsyncConnection, now: datetime) -> Job | None:
    """Takes the oldest export whose run is whole and that nobody has, for the time of `LEASE`."""
    found = await connection.execute(_CLAIM, {"now": now, "leased_until": now + LEASE})
    row = found.one_or_none()
    if row is None:
        return None
    return Job(
        export_id=row.export_id,
        tenant_id=row.tenant_id,
        run_id=row.run_id,
        format=Format(row.format),
        studio_ids=row.studio_ids,
        attempt=row.attempt,
        cause=Cause(row.tenant_id, row.correlation_id, row.traceparent),
    )


async def report_progress(
    connection: AsyncConnection, job: Job, rows_done: int, now: datetime
) -> bool:
    """Notes how many rows are written and prolongs the lease; False if the job is not ours now."""
    return await _update_job(connection, job, rows_done=rows_done, leased_until=now + LEASE)


async def complete_export(connection: AsyncConnection, job: Job, finished: Finished) -> bool:
    """Marks the export COMPLETED; False if the job is not ours any more."""
    return await _update_job(
        connection,
        job,
        status=Status.COMPLETED,
        leased_until=None,
        file_name=finished.file_name,
        size_bytes=finished.size_bytes,
        sha256=finished.sha256,
        completed_at=finished.completed_at,
        expires_at=finished.expires_at,
    )


async def fail_export(connection: AsyncConnection, job: Job, reason: FailureReason) -> bool:
    """Marks the export FAILED for good; False if the job is not ours any more."""
    return await _update_job(
        connection, job, status=Status.FAILED, leased_until=None, failure_reason=reason
    )


_FAIL_HOPELESS = text(
    """
    UPDATE exports
    SET status = 'FAILED', leased_until = NULL,
        failure_reason = CASE status WHEN 'WAITING' THEN :incomplete ELSE :interrupted END
    WHERE status = 'WAITING' AND created_at < :waiting_since
       OR status = 'RUNNING' AND leased_until < :now AND attempt >= :attempts
    RETURNING export_id
    """
)


async def fail_hopeless_exports(connection: AsyncConnection, now: datetime) -> list[UUID]:
    """Fails exports whose run has not become whole in time, or that no worker gets through.

    Returns them; the caller deletes what was left behind of their files before it commits.
    """
    failed = await connection.execute(
        _FAIL_HOPELESS,
        {
            "now": now,
            "waiting_since": now - LONGEST_WAIT,
            "attempts": MAX_ATTEMPTS,
            "incomplete": FailureReason.RUN_INCOMPLETE,
            "interrupted": FailureReason.INTERRUPTED,
        },
    )
    return [row.export_id for row in failed]


_MARK_FILES_DELETED = text(
    """
    UPDATE exports SET file_deleted_at = :now
    WHERE export_id IN (
        SELECT export_id FROM exports
        WHERE expires_at <= :now AND file_deleted_at IS NULL
        ORDER BY expires_at
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    )
    RETURNING export_id, format
    """
)


async def mark_files_deleted(
    connection: AsyncConnection, now: datetime, limit: int
) -> list[tuple[UUID, Format]]:
    """Takes exports whose files have expired; the caller deletes the files before it commits."""
    marked = await connection.execute(_MARK_FILES_DELETED, {"now": now, "limit": limit})
    return [(row.export_id, Format(row.format)) for row in marked]


async def _update_job(connection: AsyncConnection, job: Job, **values: Any) -> bool:
    """Changes the export if this attempt still has it: an earlier attempt changes nothing."""
    updated = await connection.execute(
        exports.update()
        .where(
            exports.c.export_id == job.export_id,
            exports.c.tenant_id == job.tenant_id,
            exports.c.status == Status.RUNNING,
            exports.c.attempt == job.attempt,
        )
        .values(**values)
    )
    return updated.rowcount == 1
