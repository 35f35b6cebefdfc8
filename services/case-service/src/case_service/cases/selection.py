"""Which cases are asked for, and in which order they come: the newest handover first.

Both the list of cases and the overview of members are read with it. Each index on `cases` that a
filter needs ends with the day of the handover and the case, so that a page is read off its end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    ScalarSelect,
    Select,
    TableValuedAlias,
    and_,
    any_,
    func,
    literal,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy import (
    case as sql_case,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.cases.case import Status
from case_service.tables import cases, members
from kit import cursors
from kit.auth import Principal
from kit.http import Day
from kit.problems import unprocessable
from kit.search_text import MAX_SEARCH, search_patterns, text_keys

FEW: Final = 10_000
"""Up to how many members that a search finds their cases are looked up. Where it finds more, the
newest cases are gone through: one in a hundred of a million is one of them."""


@dataclass(frozen=True, slots=True)
class WantedCases:
    """Which cases are asked for; None means any."""

    statuses: frozenset[Status] | None = None
    """Any of these."""
    partner_id: UUID | None = None
    studio_id: UUID | None = None
    run_id: UUID | None = None
    member_id: UUID | None = None
    file_number: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    open_again: bool | None = None
    """Whether the case has ended and something is open."""
    search: str | None = None
    """Words that the name and the membership number hold together."""

    def conditions(self, table: FromClause) -> list[ColumnElement[bool]]:
        """Return the same, but for the statuses, the studio and the search."""
        of = table.c
        found: list[ColumnElement[bool]] = [
            column == value
            for column, value in (
                (of.partner_id, self.partner_id),
                (of.run_id, self.run_id),
                (of.member_id, self.member_id),
                (of.file_number, self.file_number),
            )
            if value is not None
        ]
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
        statuses=frozenset(status) if status else None,
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


def who(
    principal: Principal, table: FromClause = members
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return a member's name and membership number, as at the latest handover.

    They are null where that is one of a studio that the caller may not see (R63).
    """
    is_seen = visible(principal, table)
    return (
        sql_case((is_seen, table.c.name)).label("name"),
        sql_case((is_seen, table.c.membership_number)).label("membership_number"),
    )


async def newest_cases(
    connection: AsyncConnection,
    principal: Principal,
    wanted: WantedCases,
    limit: int,
    cursor: str | None,
    *,
    once_for_each_member: bool = False,
) -> tuple[Sequence[Row[Any]], str | None]:
    """Return a page of the cases that are asked for, with `who`, and the cursor of the next page.

    `once_for_each_member` leaves out cases of members who have a newer one that is asked for.
    Raises the 422 for a cursor that is none.
    """
    selected = _Selected(principal, wanted)
    conditions = selected.conditions()
    one_of = selected.one_of()
    if patterns := search_patterns(wanted.search or ""):
        found = await _members_found(connection, principal, patterns)
        held = and_(_hold(patterns, _holder), visible(principal, _holder))
        conditions.append(_of_members(found) if len(found) <= FEW else held)
        if len(found) <= FEW:
            conditions += [column.in_(values) for column, values in one_of]
            one_of = []
    if once_for_each_member:
        conditions.append(selected.is_newest_of_member())
    if cursor is not None:
        conditions.append(_place(cases) < tuple_(*cursors.decode(cursor, [date, UUID])))
    await connection.execute(_READ_IN_ORDER)
    statement = _merged(principal, conditions, one_of, limit + 1)
    rows = (await connection.execute(statement)).all()
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], cursors.encode([last.collection_date, last.case_id])


_READ_IN_ORDER: Final = text("SET LOCAL enable_bitmapscan = off")
"""PostgreSQL expects a small tenant, whatever is true (`kit.plumbing.expect_new_tenants`). It would
collect all its cases and sort them; without bitmaps it reads the newest off the end of an index."""


@dataclass(frozen=True, slots=True)
class _Selected:
    """What is asked for among what the caller may see."""

    principal: Principal
    wanted: WantedCases

    def conditions(self, table: FromClause = cases) -> list[ColumnElement[bool]]:
        """Return the conditions but for those of `one_of`."""
        own = table.c.tenant_id == self.principal.tenant_id
        return [own, *self.wanted.conditions(table)]

    def one_of(self, table: FromClause = cases) -> list[tuple[ColumnElement[Any], list[Any]]]:
        """Return the columns that must have one of several values."""
        found: list[tuple[ColumnElement[Any], list[Any]]] = []
        studios = self.principal.studio_ids
        if (studio := self.wanted.studio_id) is not None:
            studios = frozenset({studio} if self.principal.may_see(studio) else ())
        if studios is not None:
            found.append((table.c.studio_id, sorted(studios)))
        if self.wanted.statuses is not None:
            found.append((table.c.status, sorted(self.wanted.statuses)))
        return found

    def is_newest_of_member(self) -> ScalarSelect[bool]:
        """Return whether a case is the newest that is asked for of its member.

        It asks for those whom a search finds only, for it is of the member that was looked up.
        """
        other = cases.alias("other")
        return (
            select(other.c.case_id == cases.c.case_id)
            .where(
                other.c.member_id == _holder.c.member_id,
                *self.conditions(other),
                *(column.in_(values) for column, values in self.one_of(other)),
            )
            .order_by(*_newest_first(other))
            .limit(1)
            .scalar_subquery()
        )


def _merged(
    principal: Principal,
    conditions: list[ColumnElement[bool]],
    one_of: list[tuple[ColumnElement[Any], list[Any]]],
    limit: int,
) -> Select[Any]:
    """Return the statement for the newest cases; each of several values has its own end to read."""
    chosen = [each_of(values, column) for column, values in one_of]
    same = [column == each.c.value for (column, _), each in zip(one_of, chosen, strict=True)]
    newest = (
        select(*cases.c, *who(principal, _holder))
        .select_from(cases)
        .join(_holder, true())
        .where(*conditions, *same)
        .order_by(*_newest_first(cases))
        .limit(limit)
    )
    if not chosen:
        return newest
    parts = newest.lateral("newest")
    return select(parts).select_from(*chosen, parts).order_by(*_newest_first(parts)).limit(limit)


def each_of(values: Sequence[Any], column: ColumnElement[Any]) -> TableValuedAlias:
    """Return a relation of values of a column, called `value`: each is looked up by itself."""
    array = literal(values, postgresql.ARRAY(column.type))
    return func.unnest(array).table_valued("value").render_derived()


async def _members_found(
    connection: AsyncConnection, principal: Principal, patterns: list[str]
) -> Sequence[UUID]:
    """Return the members whom a search finds, up to one more than `FEW`.

    It looks at the latest handover only where the caller may see that.
    """
    keys = text_keys(principal.tenant_id, "\n".join(patterns))
    # The offset keeps PostgreSQL from looking all members of the tenant up, beside the keys.
    found = select(members).where(members.c.search_keys.contains(keys)).offset(0).subquery("found")
    result = await connection.scalars(
        select(found.c.member_id)
        .where(visible(principal, found), _hold(patterns, found))
        .limit(FEW + 1)
    )
    return result.all()


def _of_members(member_ids: Sequence[UUID]) -> ColumnElement[bool]:
    chosen = literal(member_ids, postgresql.ARRAY(postgresql.UUID(as_uuid=True)))
    return cases.c.member_id == any_(chosen)


def _hold(patterns: Iterable[str], table: FromClause) -> ColumnElement[bool]:
    return and_(*(func.strpos(table.c.search_text, pattern) > 0 for pattern in patterns))


# The offset makes it a lookup for each case, one after the other: PostgreSQL, which expects a small
# tenant, would else look through all members first, and sort what it finds.
_holder: Final = (
    select(members)
    .where(members.c.tenant_id == cases.c.tenant_id, members.c.member_id == cases.c.member_id)
    .offset(0)
    .lateral("holder")
)


def _newest_first(table: FromClause) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return table.c.collection_date.desc(), table.c.case_id.desc()


def _place(table: FromClause) -> Any:
    return tuple_(table.c.collection_date, table.c.case_id)
