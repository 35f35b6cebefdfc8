"""Reads of runs. Each asks for one tenant, and for some of its studios (None: all)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import Text, cast, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.read_in_order import read_in_order
from export_service.runs.rows import texts_of
from export_service.runs.run import Run, RunStudio
from export_service.runs.store import handover_rows

StudioIds = Sequence[UUID] | None

Position = tuple[UUID, int, int]
"""Studio, booking number of the member and index of its first claim: where in a run they stand."""

START: Final[Position] = (UUID(int=0), 0, 0)
"""Before the first row: booking numbers begin at 1."""


@dataclass(frozen=True, slots=True)
class RowsOfRun:
    """Some claims of a member, as they are stored: see `rows.StoredRow`."""

    studio_id: UUID
    cells: str
    claims: str
    position: Position

    def texts(self) -> list[list[str]]:
        """One row for each claim."""
        return texts_of(self.cells, self.claims)


_RUN = text(
    """
    SELECT runs.run_id, booking_number, partner_id, trigger, collection_date, created_at,
           handed_over_at, rejected_at, reversed_at, accepted_count, rejected_count,
           details_deleted_at, studio_id, coalesce(studio_name, '') AS studio_name,
           coalesce(member_count, 0) AS member_count, coalesce(claim_count, 0) AS claim_count,
           coalesce(totals, '{}') AS totals, members_arrived, claims_arrived
    FROM runs
    JOIN run_studios USING (tenant_id, run_id)
    WHERE tenant_id = :tenant_id AND run_id = :run_id
      AND (CAST(:studio_ids AS uuid[]) IS NULL OR studio_id = ANY (CAST(:studio_ids AS uuid[])))
    ORDER BY studio_name, studio_id
    """
)


async def find_run(
    connection: AsyncConnection, tenant_id: UUID, run_id: UUID, studio_ids: StudioIds
) -> Run | None:
    """The run, narrowed to these studios; None if nothing of it is known for them.

    Members may have arrived before their run is announced: `announced` tells.
    """
    rows = (
        await connection.execute(
            _RUN, {"tenant_id": tenant_id, "run_id": run_id, "studio_ids": studio_ids}
        )
    ).all()
    if not rows:
        return None
    first = rows[0]
    return Run(
        run_id=first.run_id,
        booking_number=first.booking_number,
        partner_id=first.partner_id,
        trigger=first.trigger,
        collection_date=first.collection_date,
        created_at=first.created_at,
        handed_over_at=first.handed_over_at,
        rejected_at=first.rejected_at,
        reversed_at=first.reversed_at,
        accepted_count=first.accepted_count if studio_ids is None else None,
        rejected_count=first.rejected_count if studio_ids is None else None,
        details_deleted_at=first.details_deleted_at,
        studios=[
            RunStudio(
                studio_id=row.studio_id,
                name=row.studio_name,
                member_count=row.member_count,
                claim_count=row.claim_count,
                totals={currency: Decimal(amount) for currency, amount in row.totals.items()},
                members_arrived=row.members_arrived,
                claims_arrived=row.claims_arrived,
            )
            for row in rows
        ],
    )


async def next_rows(
    connection: AsyncConnection,
    tenant_id: UUID,
    run_id: UUID,
    studio_ids: StudioIds,
    *,
    after: Position,
    limit: int,
) -> list[RowsOfRun]:
    """So many of the stored rows of the run behind a position, studio by studio.

    Rows of a run that is whole never change, so batches may be read in transactions of their own.
    """
    of = handover_rows.c
    place = of.studio_id, of.booking_number, of.claim_index
    statement = (
        select(*place, cast(of.cells, Text).label("cells"), cast(of.claims, Text).label("claims"))
        .where(of.tenant_id == tenant_id, of.run_id == run_id, tuple_(*place) > tuple_(*after))
        .order_by(*place)
        .limit(limit)
    )
    if studio_ids is not None:
        statement = statement.where(of.studio_id.in_(studio_ids))
    await read_in_order(connection)
    found = await connection.execute(statement)
    return [
        RowsOfRun(studio_id, cells, claims, (studio_id, booking_number, claim_index))
        for studio_id, booking_number, claim_index, cells, claims in found
    ]
