"""What the HTTP interface reads of files. Each asks for the caller's tenant and studios."""

from collections import defaultdict
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.cases.queries import case_summary
from case_service.cases.selection import WantedCases, newest_cases, visible
from case_service.files.views import File, FileSummary, FileTotals
from case_service.tables import cases
from case_service.views import Sum
from kit import cursors
from kit.auth import Principal
from kit.cursors import Page

_FILE = (cases.c.partner_id, cases.c.file_number)
_SUMS = ("handed_over", "collected", "open", "unallocated", "residual", "written_off")


async def list_files(
    connection: AsyncConnection,
    principal: Principal,
    partner_id: UUID | None,
    beginning: str,
    limit: int,
    cursor: str | None,
) -> Page[FileSummary]:
    """Return the files whose numbers begin like this, by partner and number, with their sums."""
    statement = select(*_FILE).where(
        visible(principal), cases.c.file_number.startswith(beginning, autoescape=True)
    )
    if partner_id is not None:
        statement = statement.where(cases.c.partner_id == partner_id)
    if cursor is not None:
        after = tuple_(*cursors.decode(cursor, [UUID, str]))
        statement = statement.where(tuple_(*_FILE) > after)
    statement = statement.group_by(*_FILE).order_by(*_FILE).limit(limit + 1)
    rows = (await connection.execute(statement)).all()
    files = [(row.partner_id, row.file_number) for row in rows[:limit]]
    totals = await _totals(connection, visible(principal), tuple_(*_FILE).in_(files))
    return Page(
        items=[
            FileSummary(partner_id=partner, file_number=number, totals=totals[partner, number])
            for partner, number in files
        ],
        next=cursors.encode(files[-1]) if len(rows) > limit else None,
    )


async def find_file(
    connection: AsyncConnection,
    principal: Principal,
    partner_id: UUID,
    file_number: str,
    limit: int,
    cursor: str | None,
) -> File | None:
    """Return the cases of a partner under one number (R21), or None if there is none."""
    of_file = (cases.c.partner_id == partner_id, cases.c.file_number == file_number)
    totals = await _totals(connection, visible(principal), *of_file)
    if not totals:
        return None
    wanted = WantedCases(partner_id=partner_id, file_number=file_number)
    rows, following = await newest_cases(connection, principal, wanted, limit, cursor)
    return File(
        partner_id=partner_id,
        file_number=file_number,
        totals=totals[partner_id, file_number],
        cases=[case_summary(row) for row in rows],
        next=following,
    )


async def _totals(
    connection: AsyncConnection, *conditions: ColumnElement[bool]
) -> dict[tuple[UUID, str], list[FileTotals]]:
    """Return the sums of files for each currency."""
    statement: Select[Any] = select(
        *_FILE,
        cases.c.currency,
        func.count().label("cases"),
        *(func.coalesce(func.sum(cases.c[name]), 0).label(name) for name in _SUMS),
    )
    by = (*_FILE, cases.c.currency)
    result = await connection.execute(statement.where(*conditions).group_by(*by).order_by(*by))
    found: defaultdict[tuple[UUID, str], list[FileTotals]] = defaultdict(list)
    for row in result:
        sums = {name: Sum(amount=row._mapping[name], currency=row.currency) for name in _SUMS}
        found[row.partner_id, row.file_number].append(FileTotals(cases=row.cases, **sums))
    return found
