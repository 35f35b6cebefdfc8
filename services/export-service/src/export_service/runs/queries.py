"""Reads of runs. Each asks for one tenant, and for some of its studios (None: all)."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from sqlalchemy import exists, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.runs.run import Run, RunStudio
from export_service.runs.store import handovers, run_studios

StudioIds = Sequence[UUID] | None

Position = tuple[int, int]
"""Booking number and index of the claim: where in a run a row stands."""

START: Position = (0, 0)
"""Before the first row: booking numbers begin at 1."""


async def knows_run(
    connection: AsyncConnection, tenant_id: UUID, run_id: UUID, studio_ids: StudioIds
) -> bool:
    """Whether anything of the run, announced or arrived, is there for these studios."""
    known = [
        exists().where(
            table.c.tenant_id == tenant_id,
            table.c.run_id == run_id,
            *([] if studio_ids is None else [table.c.studio_id.in_(studio_ids)]),
        )
        for table in (run_studios, handovers)
    ]
    return bool(await connection.scalar(select(or_(*known))))


_RUN = text(
    """
    SELECT runs.booking_number, runs.partner_id, runs.trigger, runs.collection_date,
           runs.created_at, run_studios.studio_id, run_studios.member_count,
           run_studios.claim_count, run_studios.totals, names.studio_name
    FROM runs
    JOIN run_studios USING (tenant_id, run_id)
    LEFT JOIN (
        SELECT studio_id, min(studio_name) AS studio_name
        FROM handovers
        WHERE tenant_id = :tenant_id AND run_id = :run_id
        GROUP BY studio_id
    ) AS names USING (studio_id)
    WHERE tenant_id = :tenant_id AND run_id = :run_id
      AND (CAST(:studio_ids AS uuid[]) IS NULL OR studio_id = ANY (CAST(:studio_ids AS uuid[])))
    ORDER BY names.studio_name, studio_id
    """
)


async def run_of(
    connection: AsyncConnection, tenant_id: UUID, run_id: UUID, studio_ids: StudioIds
) -> Run:
    """The run that was announced, narrowed to these studios."""
    rows = (
        await connection.execute(
            _RUN,
            {"tenant_id": tenant_id, "run_id": run_id, "studio_ids": studio_ids},
        )
    ).all()
    first = rows[0]
    return Run(
        booking_number=first.booking_number,
        partner_id=first.partner_id,
        trigger=first.trigger,
        collection_date=first.collection_date,
        created_at=first.created_at,
        studios=[
            RunStudio(
                studio_id=row.studio_id,
                name=row.studio_name or "",
                member_count=row.member_count,
                claim_count=row.claim_count,
                totals={currency: Decimal(amount) for currency, amount in row.totals.items()},
            )
            for row in rows
        ],
    )


_ROWS = text(
    """
    SELECT booking_number, claim_index, CAST(cells AS text) AS cells
    FROM handover_rows
    WHERE tenant_id = :tenant_id AND run_id = :run_id
      AND (booking_number, claim_index) > (:booking_number, :claim_index)
      AND (CAST(:studio_ids AS uuid[]) IS NULL OR studio_id = ANY (CAST(:studio_ids AS uuid[])))
    ORDER BY booking_number, claim_index
    LIMIT :limit
    """
)


async def next_rows(
    connection: AsyncConnection,
    tenant_id: UUID,
    run_id: UUID,
    studio_ids: StudioIds,
    *,
    after: Position,
    limit: int,
) -> tuple[list[str], Position]:
    """The run's next rows behind a position, as JSON lists of texts, and the last one's position.

    Rows of a run that is whole never change, so batches may be read in transactions of their own.
    """
    rows = (
        await connection.execute(
            _ROWS,
            {
                "tenant_id": tenant_id,
                "run_id": run_id,
                "studio_ids": studio_ids,
                "booking_number": after[0],
                "claim_index": after[1],
                "limit": limit,
            },
        )
    ).all()
    last = (rows[-1].booking_number, rows[-1].claim_index) if rows else after
    return [row.cells for row in rows], last
