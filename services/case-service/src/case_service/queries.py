"""Reads for the HTTP interface. Each asks for the caller's tenant and studios."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.cases.case import Status
from case_service.tables import case_claims, cases, entries, history, members, payments
from case_service.views import (
    CaseDetails,
    CaseSummary,
    ClaimInCase,
    ClaimShare,
    File,
    FileTotals,
    HistoryEntry,
    MemberCase,
    MemberInCollection,
    PaymentInCase,
    Sum,
)
from contracts import Money
from kit import cursors
from kit.auth import Principal
from kit.cursors import Page

HISTORY_IN_CASE = 50
"""How much of its history is shown with a case."""


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases to list; None means any."""

    status: Status | None = None
    partner_id: UUID | None = None
    run_id: UUID | None = None
    member_id: UUID | None = None
    studio_id: UUID | None = None


def _visible(principal: Principal) -> ColumnElement[bool]:
    """Return the condition that a case is the caller's tenant's, and of a studio they may see."""
    own = cases.c.tenant_id == principal.tenant_id
    if principal.studio_ids is None:
        return own
    return and_(own, cases.c.studio_id.in_(principal.studio_ids))


def _case_rows(principal: Principal) -> Select[Any]:
    same_member = and_(
        members.c.tenant_id == cases.c.tenant_id, members.c.member_id == cases.c.member_id
    )
    return (
        select(cases, members.c.name, members.c.membership_number)
        .join(members, same_member)
        .where(_visible(principal))
    )


async def list_cases(
    connection: AsyncConnection,
    principal: Principal,
    wanted: CaseFilter,
    limit: int,
    cursor: str | None,
) -> Page[CaseSummary]:
    """Return cases, the newest first."""
    statement = _case_rows(principal)
    for column, value in (
        (cases.c.status, wanted.status),
        (cases.c.partner_id, wanted.partner_id),
        (cases.c.run_id, wanted.run_id),
        (cases.c.member_id, wanted.member_id),
        (cases.c.studio_id, wanted.studio_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if cursor is not None:
        (after,) = cursors.decode(cursor, [UUID])
        statement = statement.where(cases.c.case_id < after)
    rows = (
        await connection.execute(statement.order_by(cases.c.case_id.desc()).limit(limit + 1))
    ).all()
    following = cursors.encode([rows[limit - 1].case_id]) if len(rows) > limit else None
    return Page(items=[CaseSummary(**_summary(row)) for row in rows[:limit]], next=following)


async def find_case(
    connection: AsyncConnection, principal: Principal, case_id: UUID
) -> CaseDetails | None:
    """Return a case with all that belongs to it, or None when the caller has no such case."""
    statement = _case_rows(principal).where(cases.c.case_id == case_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    return CaseDetails(
        **_summary(row),
        claims=await _claims(connection, row),
        payments=await _payments(connection, row),
        history=await _latest_history(connection, row),
    )


async def list_history(
    connection: AsyncConnection,
    principal: Principal,
    case_id: UUID,
    limit: int,
    cursor: str | None,
) -> Page[HistoryEntry] | None:
    """Return what happened to a case, newest first, or None when the caller has no such case."""
    seen = select(true()).where(_visible(principal), cases.c.case_id == case_id)
    if not await connection.scalar(seen):
        return None
    statement = select(history).where(
        history.c.tenant_id == principal.tenant_id, history.c.case_id == case_id
    )
    if cursor is not None:
        (before,) = cursors.decode(cursor, [int])
        statement = statement.where(history.c.item_number < before)
    rows = (
        await connection.execute(statement.order_by(history.c.item_number.desc()).limit(limit + 1))
    ).all()
    following = cursors.encode([rows[limit - 1].item_number]) if len(rows) > limit else None
    return Page(items=[_history_entry(row) for row in rows[:limit]], next=following)


async def list_members(
    connection: AsyncConnection, principal: Principal, limit: int, cursor: str | None
) -> Page[MemberInCollection]:
    """Return everyone ever handed over, whoever was handed over last first (R20)."""
    its_cases = and_(
        cases.c.tenant_id == members.c.tenant_id, cases.c.member_id == members.c.member_id
    )
    statement = select(members).where(
        members.c.tenant_id == principal.tenant_id,
        select(true()).where(its_cases, _visible(principal)).exists(),
    )
    key = tuple_(members.c.last_handed_over_on, members.c.member_id)
    if cursor is not None:
        statement = statement.where(key < tuple_(*cursors.decode(cursor, [date, UUID])))
    rows = (
        await connection.execute(
            statement.order_by(
                members.c.last_handed_over_on.desc(), members.c.member_id.desc()
            ).limit(limit + 1)
        )
    ).all()
    found = await _cases_of_members(connection, principal, [row.member_id for row in rows[:limit]])
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        items=[
            MemberInCollection(
                member_id=row.member_id,
                studio_id=row.studio_id,
                name=row.name,
                membership_number=row.membership_number,
                last_handed_over_on=row.last_handed_over_on,
                cases=found[row.member_id],
            )
            for row in rows[:limit]
        ],
        next=cursors.encode([last.last_handed_over_on, last.member_id]) if last else None,
    )


async def find_file(
    connection: AsyncConnection, principal: Principal, partner_id: UUID, file_number: str
) -> File | None:
    """Return the cases of a partner under one number (R21), or None if there is none."""
    in_file = and_(cases.c.partner_id == partner_id, cases.c.file_number == file_number)
    statement = _case_rows(principal).where(in_file).order_by(cases.c.case_id)
    rows = (await connection.execute(statement)).all()
    if not rows:
        return None
    return File(
        partner_id=partner_id,
        file_number=file_number,
        totals=await _file_totals(connection, and_(_visible(principal), in_file)),
        cases=[CaseSummary(**_summary(row)) for row in rows],
    )


async def _claims(connection: AsyncConnection, case: Row[Any]) -> list[ClaimInCase]:
    of = case_claims.c
    result = await connection.execute(
        select(case_claims)
        .where(of.tenant_id == case.tenant_id, of.case_id == case.case_id)
        .order_by(of.due_date, of.voucher_date, of.claim_id)
    )
    return [
        ClaimInCase(
            claim_id=row.claim_id,
            voucher_id=row.voucher_id,
            kind=row.kind,
            designation=row.designation,
            voucher_date=row.voucher_date,
            due_date=row.due_date,
            amount=_money(row.amount, case),
            paid_directly=_money(row.paid_directly, case),
            handed_over=_money(row.handed_over, case),
            collected=_money(row.collected, case),
            open=_money(row.open, case),
        )
        for row in result
    ]


async def _payments(connection: AsyncConnection, case: Row[Any]) -> list[PaymentInCase]:
    amount = -func.sum(entries.c.amount)
    parts = await connection.execute(
        select(entries.c.payment_id, entries.c.claim_id, amount)
        .where(
            entries.c.tenant_id == case.tenant_id,
            entries.c.case_id == case.case_id,
            entries.c.payment_id.is_not(None),
            entries.c.claim_id.is_not(None),
        )
        .group_by(entries.c.payment_id, entries.c.claim_id)
        .having(amount > 0)
        .order_by(func.min(entries.c.entry_number))
    )
    shares: defaultdict[UUID, list[ClaimShare]] = defaultdict(list)
    for payment_id, claim_id, left in parts:
        shares[payment_id].append(ClaimShare(claim_id=claim_id, amount=_money(left, case)))
    result = await connection.execute(
        select(payments)
        .where(payments.c.tenant_id == case.tenant_id, payments.c.case_id == case.case_id)
        .order_by(payments.c.payment_id)
    )
    return [
        PaymentInCase(
            payment_id=row.payment_id,
            amount=_money(row.amount, case),
            unallocated=_money(row.unallocated, case),
            own_fees=_money(row.own_fees, case),
            booking_date=row.booking_date,
            booked_by=row.booked_by,
            partner_reference=row.partner_reference,
            corrects=row.corrects,
            recorded_at=row.recorded_at,
            shares=shares[row.payment_id],
        )
        for row in result
    ]


async def _latest_history(connection: AsyncConnection, case: Row[Any]) -> list[HistoryEntry]:
    result = await connection.execute(
        select(history)
        .where(history.c.tenant_id == case.tenant_id, history.c.case_id == case.case_id)
        .order_by(history.c.item_number.desc())
        .limit(HISTORY_IN_CASE)
    )
    return [_history_entry(row) for row in result]


async def _cases_of_members(
    connection: AsyncConnection, principal: Principal, member_ids: list[UUID]
) -> dict[UUID, list[MemberCase]]:
    result = await connection.execute(
        select(cases)
        .where(_visible(principal), cases.c.member_id.in_(member_ids))
        .order_by(cases.c.case_id.desc())
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
                open=_money(row.open, row),
                status=row.status,
                file_number=row.file_number,
            )
        )
    return found


async def _file_totals(
    connection: AsyncConnection, in_file: ColumnElement[bool]
) -> list[FileTotals]:
    collected = select(func.sum(case_claims.c.collected)).where(
        case_claims.c.tenant_id == cases.c.tenant_id, case_claims.c.case_id == cases.c.case_id
    )
    sums: Select[Any] = select(
        cases.c.currency,
        func.sum(cases.c.handed_over).label("handed_over"),
        func.sum(collected.scalar_subquery()).label("collected"),
        func.sum(cases.c.open).label("open"),
        func.sum(cases.c.unallocated).label("unallocated"),
    )
    result = await connection.execute(
        sums.where(in_file).group_by(cases.c.currency).order_by(cases.c.currency)
    )
    return [
        FileTotals(
            handed_over=_sum(row.handed_over, row),
            collected=_sum(row.collected, row),
            open=_sum(row.open, row),
            unallocated=_sum(row.unallocated, row),
        )
        for row in result
    ]


def _summary(row: Row[Any]) -> dict[str, Any]:
    """Return what a row says of a case, with amounts as money."""
    amounts = {"handed_over": _money, "open": _money, "unallocated": _sum}
    return {
        name: amounts[name](value, row) if name in amounts else value
        for name, value in row._mapping.items()
        if name in CaseSummary.model_fields
    }


def _history_entry(row: Row[Any]) -> HistoryEntry:
    return HistoryEntry(
        kind=row.kind,
        recorded_at=row.recorded_at,
        actor_kind=row.actor_kind,
        actor=row.actor,
        why=row.why,
        details=row.details,
        request_id=row.correlation_id,
    )


def _sum(amount: Decimal, case: Row[Any]) -> Sum:
    return Sum(amount=amount, currency=case.currency)


def _money(amount: Decimal, case: Row[Any]) -> Money:
    return Money(amount=amount, currency=case.currency)
