"""What the HTTP interface reads of members. Each asks for the caller's tenant and studios."""

from collections import defaultdict
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.cases.selection import WantedCases, each_of, newest_cases, visible
from case_service.members.views import MemberCase, MemberInCollection
from case_service.tables import cases
from contracts import Money
from kit.auth import Principal
from kit.cursors import Page


async def list_members(
    connection: AsyncConnection,
    principal: Principal,
    wanted: WantedCases,
    limit: int,
    cursor: str | None,
) -> Page[MemberInCollection]:
    """Return who has a case that is asked for, with all cases; the newest handover first (R20)."""
    rows, following = await newest_cases(
        connection,
        principal,
        wanted,
        limit,
        cursor,
        once_for_each_member=True,
    )
    found = await _cases_of_members(connection, principal, [row.member_id for row in rows])
    return Page(
        items=[
            MemberInCollection(
                member_id=row.member_id,
                studio_id=row.studio_id,
                name=row.name,
                membership_number=row.membership_number,
                last_handed_over_on=found[row.member_id][0].collection_date,
                cases=found[row.member_id],
            )
            for row in rows
        ],
        next=following,
    )


async def _cases_of_members(
    connection: AsyncConnection, principal: Principal, member_ids: list[UUID]
) -> dict[UUID, list[MemberCase]]:
    chosen = each_of(member_ids, cases.c.member_id)
    result = await connection.execute(
        select(cases)
        .join(chosen, cases.c.member_id == chosen.c.value)
        .where(visible(principal))
        .order_by(cases.c.collection_date.desc(), cases.c.case_id.desc())
    )
    found: defaultdict[UUID, list[MemberCase]] = defaultdict(list)
    for row in result:
        found[row.member_id].append(
            MemberCase(
                case_id=row.case_id,
                run_id=row.run_id,
                partner_id=row.partner_id,
                studio_id=row.studio_id,
                collection_date=row.collection_date,
                handed_over=_money(row.handed_over, row),
                collected=_money(row.collected, row),
                open=_money(row.open, row),
                status=row.status,
                file_number=row.file_number,
            )
        )
    return found


def _money(amount: Decimal, case: Row[Any]) -> Money:
    return Money(amount=amount, currency=case.currency)
