"""Reads of the members overview. Each asks for one tenant, and for some of its studios (None: all).

A case is in the overview once its handover has come.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json
from sqlalchemy import (
    ColumnElement,
    Date,
    Text,
    and_,
    cast,
    func,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.members.store import cases
from export_service.members.wanted import WantedMembers
from export_service.read_in_order import read_in_order
from kit.search_text import search_patterns

Position = tuple[date, UUID]
"""Day of the handover and case: where in the overview a row stands."""

START: Final[Position] = (date.max, UUID(int=2**128 - 1))
"""Before the first row: the newest handover comes first."""


@dataclass(frozen=True, slots=True)
class RowOfOverview:
    """A case; `cells` is a JSON list with a text for each of the overview's columns."""

    studio_id: UUID
    cells: str
    position: Position

    def texts(self) -> list[list[str]]:
        """One row: the case's."""
        return [from_json(self.cells)]


async def next_rows(
    connection: AsyncConnection,
    tenant_id: UUID,
    studio_ids: Sequence[UUID] | None,
    wanted: WantedMembers,
    time_zone: str,
    *,
    after: Position,
    limit: int,
) -> list[RowOfOverview]:
    """The cases behind a position, the newest handover first, each as it is now.

    Where a case stands never changes: whoever goes on behind the last row meets each case once.
    `time_zone` says on which day a case ended.
    """
    await read_in_order(connection)
    found = await connection.execute(
        select(cases.c.studio_id, cases.c.collection_date, cases.c.case_id, _cells(time_zone))
        .where(*_asked_for(tenant_id, studio_ids, wanted))
        .where(tuple_(cases.c.collection_date, cases.c.case_id) < tuple_(*after))
        .order_by(cases.c.collection_date.desc(), cases.c.case_id.desc())
        .limit(limit)
    )
    return [
        RowOfOverview(row.studio_id, row.cells, (row.collection_date, row.case_id)) for row in found
    ]


async def count_rows(
    connection: AsyncConnection,
    tenant_id: UUID,
    studio_ids: Sequence[UUID] | None,
    wanted: WantedMembers,
) -> int:
    """How many cases are asked for."""
    counted = await connection.scalar(
        select(func.count()).select_from(cases).where(*_asked_for(tenant_id, studio_ids, wanted))
    )
    return counted or 0


def _cells(time_zone: str) -> ColumnElement[str]:
    """A JSON list with a text for each of `members.columns`, in their order."""
    of = cases.c
    ended_on = cast(func.timezone(time_zone, of.ended_at), Date)
    values = (
        of.name,
        of.membership_number,
        _day(of.collection_date),
        of.handed_over,
        of.currency,
        of.status,
        of.file_number,
        of.collected,
        func.coalesce(of.open, of.handed_over),
        of.result,
        _day(ended_on),
        of.studio_name,
        of.run_booking_number,
        of.booking_number,
        of.member_id,
        of.case_id,
        of.partner_id,
    )
    texts = [func.coalesce(cast(value, Text), "") for value in values]
    return cast(func.json_build_array(*texts), Text).label("cells")


def _day(day: ColumnElement[Any]) -> ColumnElement[str]:
    return func.to_char(day, "YYYY-MM-DD")


def _asked_for(
    tenant_id: UUID, studio_ids: Sequence[UUID] | None, wanted: WantedMembers
) -> list[ColumnElement[bool]]:
    of = cases.c
    found: list[ColumnElement[bool]] = [
        of.tenant_id == tenant_id,
        of.collection_date.between(wanted.first_day or date.min, wanted.last_day or date.max),
    ]
    if studio_ids is not None:
        found.append(of.studio_id.in_(studio_ids))
    if wanted.status:
        found.append(of.status.in_(wanted.status))
    found += [
        column == value
        for column, value in (
            (of.studio_id, wanted.studio_id),
            (of.partner_id, wanted.partner_id),
            (of.run_id, wanted.run_id),
        )
        if value is not None
    ]
    if wanted.open_again is not None:
        is_open_again = and_(of.ended_at.is_not(None), of.open > 0)
        found.append(is_open_again if wanted.open_again else ~is_open_again)
    found += [
        func.strpos(of.search_text, pattern) > 0 for pattern in search_patterns(wanted.search or "")
    ]
    return found
