"""Which cases are asked for, and in which order they come: the newest handover first.

Both the list of cases and the overview of members are read with it. Each index on `cases` that a
filter needs ends with the day of the handover and the case, so that a page is read off its end.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    any_,
    exists,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.cases.case import Status
from case_service.cases.search_text import MAX_SEARCH, search_patterns, text_keys
from case_service.tables import cases, members
from contracts.parts import Day
from kit import cursors
from kit.auth import Principal
from kit.problems import unprocessable

FEW: Final = 10_000
"""Up to how many members that a search finds their cases are looked up. Where it finds more, the
newest cases are gone through: one in a hundred of a million is one of them."""


@dataclass(frozen=True, slots=True)
class WantedCases:
    """Which cases are asked for; None means any."""

    statuses: Collection[Status] = ()
    """Any of these; none means any."""
    partner_id: UUID | None = None
    studio_id: UUID | None = None
    run_id: UUID | None = None
    member_id: UUID | None = None
    file_number: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    open_again: bool | None = None
    """Ended, and something is open."""
    search: str | None = None
    """Words that the name and the membership number hold together."""

    def conditions(self, principal: Principal, table: FromClause) -> list[ColumnElement[bool]]:
        """Return the same, but for the search, of cases that the caller may see."""
        of = table.c
        found = [visible(principal, table)]
        for column, value in (
            (of.partner_id, self.partner_id),
            (of.studio_id, self.studio_id),
            (of.run_id, self.run_id),
            (of.member_id, self.member_id),
            (of.file_number, self.file_number),
        ):
            if value is not None:
                found.append(column == value)
        if self.statuses:
            found.append(of.status.in_(sorted(set(self.statuses))))
        if self.first_day is not None:
            found.append(of.collection_date >= self.first_day)
        if self.last_day is not None:
            found.append(of.collection_date <= self.last_day)
        if self.open_again is not None:
            is_open_again = and_(of.ended_at.is_not(None), of.open > 0)
            found.append(is_open_again if self.open_again else ~is_open_again)
        return found


def wanted_cases(
    status: Annotated[list[Status] | None, Query(description="any of these")] = None,
    partner_id: UUID | None = None,
    studio_id: UUID | None = None,
    first_day: Annotated[
        Day | None, Query(alias="from", description="first day of the handover")
    ] = None,
    last_day: Annotated[
        Day | None, Query(alias="to", description="last day of the handover")
    ] = None,
    open_again: Annotated[
        bool | None, Query(description="whether the case has ended and something is open")
    ] = None,
    search: Annotated[
        str | None,
        Query(
            max_length=MAX_SEARCH,
            description="words that name and membership number hold; accents and case do not "
            "matter. A part of a word is enough, its beginning for one or two letters",
        ),
    ] = None,
) -> WantedCases:
    """Return what a query asks for; raises the 422 for a period that ends before it begins."""
    if first_day is not None and last_day is not None and first_day > last_day:
        raise unprocessable("from", "Must not be after `to`")
    return WantedCases(
        statuses=status or (),
        partner_id=partner_id,
        studio_id=studio_id,
        first_day=first_day,
        last_day=last_day,
        open_again=open_again,
        search=search,
    )


GivenFilters = Annotated[WantedCases, Depends(wanted_cases)]
"""The filters that cases and members have in common, as a parameter of a route's function."""


def visible(principal: Principal, table: FromClause = cases) -> ColumnElement[bool]:
    """Return the condition that a case is the caller's tenant's, and of a studio they may see."""
    own: ColumnElement[bool] = table.c.tenant_id == principal.tenant_id
    if principal.studio_ids is None:
        return own
    return and_(own, table.c.studio_id.in_(sorted(principal.studio_ids)))


async def select_newest(
    connection: AsyncConnection,
    principal: Principal,
    wanted: WantedCases,
    columns: Iterable[ColumnElement[Any]],
    limit: int,
    cursor: str | None,
    *,
    once_for_each_member: bool = False,
) -> Select[Any]:
    """Return the statement for a page of cases with their members, and one row more if there is.

    `once_for_each_member` leaves out cases of members who have a newer one that is asked for.
    Raises the 422 for a cursor that is none.
    """
    statement = (
        select(*columns)
        .join(
            members,
            and_(
                members.c.tenant_id == cases.c.tenant_id, members.c.member_id == cases.c.member_id
            ),
        )
        .where(*wanted.conditions(principal, cases))
        .order_by(cases.c.collection_date.desc(), cases.c.case_id.desc())
        .limit(limit + 1)
    )
    if patterns := search_patterns(wanted.search or ""):
        statement = statement.where(await _found(connection, principal.tenant_id, patterns))
    if once_for_each_member:
        statement = statement.where(~_has_newer(principal, wanted))
    if cursor is not None:
        place = tuple_(*cursors.decode(cursor, [date, UUID]))
        statement = statement.where(_place(cases) < place)
    return statement


def next_cursor(rows: Collection[Any], limit: int) -> str | None:
    """Return the cursor behind a page of rows of `select_newest`, if there is more."""
    if len(rows) <= limit:
        return None
    last = list(rows)[limit - 1]
    return cursors.encode([last.collection_date, last.case_id])


async def _found(
    connection: AsyncConnection, tenant_id: UUID, patterns: list[str]
) -> ColumnElement[bool]:
    """Return the condition that a case is of a member whom a search finds."""
    holds = [func.strpos(members.c.search_text, pattern) > 0 for pattern in patterns]
    result = await connection.scalars(
        select(members.c.member_id)
        .where(
            members.c.tenant_id == tenant_id,
            members.c.search_keys.contains(text_keys(tenant_id, "\n".join(patterns))),
            *holds,
        )
        .limit(FEW + 1)
    )
    member_ids = result.all()
    if len(member_ids) > FEW:
        return and_(*holds)
    chosen = literal(member_ids, postgresql.ARRAY(postgresql.UUID(as_uuid=True)))
    return cases.c.member_id == any_(chosen)


def _has_newer(principal: Principal, wanted: WantedCases) -> ColumnElement[bool]:
    newer = cases.alias("newer")
    return exists().where(
        *wanted.conditions(principal, newer),
        newer.c.tenant_id == cases.c.tenant_id,
        newer.c.member_id == cases.c.member_id,
        _place(newer) > _place(cases),
    )


def _place(table: FromClause) -> Any:
    return tuple_(table.c.collection_date, table.c.case_id)
