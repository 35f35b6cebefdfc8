"""Who is missing in an export: members that were announced and have not arrived."""

from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports.export import Job

ON_THEIR_WAY: Final = timedelta(hours=1)
"""For so long the members overview waits for those of a new run; after that it says that they are
missing. A run is exported as a whole, however long that takes."""

# The runs that the overview is about, of which something was known when it was ordered. A null
# filter gives no bound: `coalesce` then compares a column with itself.
_RUNS_OF_OVERVIEW: Final = """
    runs.tenant_id = exports.tenant_id
    AND runs.heard_of_at BETWEEN {since} AND exports.created_at
    AND runs.run_id = coalesce(CAST(filters->>'run_id' AS uuid), runs.run_id)
    AND partner_id = coalesce(CAST(filters->>'partner_id' AS uuid), partner_id)
    AND collection_date >= coalesce(CAST(filters->>'from' AS date), collection_date)
    AND collection_date <= coalesce(CAST(filters->>'to' AS date), collection_date)
"""

# Of a run that is not announced nobody knows how many members it has, nor of which studios.
_MISSING: Final = f"""
    CASE
        WHEN exports.kind = 'RUN' THEN (
            SELECT sum(greatest(part.member_count - part.members_arrived, 0))
            FROM runs
            LEFT JOIN run_studios AS part
              ON part.tenant_id = runs.tenant_id AND part.run_id = runs.run_id
                AND (exports.studio_ids IS NULL OR part.studio_id = ANY (exports.studio_ids))
            WHERE runs.tenant_id = exports.tenant_id AND runs.run_id = exports.run_id
              AND runs.created_at IS NOT NULL
        )
        WHEN EXISTS (
            SELECT FROM runs WHERE runs.created_at IS NULL AND {_RUNS_OF_OVERVIEW}
        ) THEN NULL
        ELSE (
            SELECT coalesce(sum(part.member_count - part.members_arrived), 0)
            FROM run_studios AS part
            JOIN runs USING (tenant_id, run_id)
            WHERE part.tenant_id = exports.tenant_id AND part.members_arrived < part.member_count
              AND (exports.studio_ids IS NULL OR part.studio_id = ANY (exports.studio_ids))
              AND part.studio_id = coalesce(CAST(filters->>'studio_id' AS uuid), part.studio_id)
              AND {_RUNS_OF_OVERVIEW}
        )
    END
"""  # noqa: S608 - constants

MISSING: Final = _MISSING.format(since="'-infinity'")
"""SQL for how many members a row of `exports` lacks, of runs that were known when it was ordered;
null while one of these is not announced."""

AWAITED: Final = _MISSING.format(since=f"now() - interval '{ON_THEIR_WAY.total_seconds()} seconds'")
"""SQL for how many of them it waits for; null while it waits for an announcement."""

_MISSING_OF_JOB: Final = text(
    f"""
    SELECT {MISSING} FROM exports WHERE tenant_id = :tenant_id AND export_id = :export_id
    """  # noqa: S608 - constants
)


async def members_missing(connection: AsyncConnection, job: Job) -> int | None:
    """How many members the file will lack, of runs that were known when it was ordered.

    None if nobody knows, for one of these is not announced.
    """
    missing: int | None = await connection.scalar(
        _MISSING_OF_JOB, {"tenant_id": job.tenant_id, "export_id": job.export_id}
    )
    return missing
