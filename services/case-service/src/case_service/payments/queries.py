"""What the HTTP interface reads of payments. Each asks for the caller's tenant and studios."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.cases.selection import visible, who
from case_service.cases.views import PaymentInCase, ShareFromOtherCase, ShareInCase
from case_service.payments.allocation import NOTHING
from case_service.payments.views import MemberOfPayment, UnallocatedPayment
from case_service.tables import cases, entries, members, payments
from contracts import Money
from kit import cursors
from kit.auth import Principal
from kit.cursors import Page


@dataclass(frozen=True, slots=True)
class WantedUnallocated:
    """Which unallocated payments are asked for; None means any."""

    partner_id: UUID | None = None
    studio_id: UUID | None = None
    member_id: UUID | None = None


async def list_unallocated(
    connection: AsyncConnection,
    principal: Principal,
    wanted: WantedUnallocated,
    limit: int,
    cursor: str | None,
) -> Page[UnallocatedPayment]:
    """Return the payments of which a part belongs to no claim, oldest first (R29)."""
    statement = (
        select(
            payments,
            cases.c.status.label("case_status"),
            cases.c.studio_id,
            cases.c.partner_id,
            cases.c.member_id,
            *who(principal),
        )
        .join(cases, _same(payments, cases, "case_id"))
        .join(members, _same(cases, members, "member_id"))
        .where(
            visible(principal),
            payments.c.tenant_id == principal.tenant_id,
            payments.c.unallocated > 0,
        )
        .order_by(payments.c.payment_id)
        .limit(limit + 1)
    )
    for column, value in (
        (cases.c.partner_id, wanted.partner_id),
        (cases.c.studio_id, wanted.studio_id),
        (cases.c.member_id, wanted.member_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if cursor is not None:
        (after,) = cursors.decode(cursor, [UUID])
        statement = statement.where(payments.c.payment_id > after)
    rows = (await connection.execute(statement)).all()
    following = cursors.encode([rows[limit - 1].payment_id]) if len(rows) > limit else None
    return Page(items=[_unallocated(row) for row in rows[:limit]], next=following)


async def payments_of_case(
    connection: AsyncConnection, principal: Principal, case: Row[Any]
) -> list[PaymentInCase]:
    """Return the payments on a case that the caller may see, oldest first."""
    of_case = and_(payments.c.tenant_id == case.tenant_id, payments.c.case_id == case.case_id)
    result = await connection.execute(
        select(payments).where(of_case).order_by(payments.c.payment_id)
    )
    rows = result.all()
    shares: defaultdict[UUID, list[ShareInCase]] = defaultdict(list)
    hidden: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    for share in await _shares(connection, principal, of_case) if rows else ():
        if share.may_see:
            shares[share.payment_id].append(
                ShareInCase(
                    case_id=share.case_id,
                    claim_id=share.claim_id,
                    amount=_money(share.amount, case),
                )
            )
        else:
            hidden[share.payment_id] += share.amount
    return [
        PaymentInCase(
            payment_id=row.payment_id,
            amount=_money(row.amount, row),
            booked_amount=_money(row.booked_amount, row),
            unallocated=_money(row.unallocated, row),
            paid_out=_money(row.paid_out, row),
            shortfall=_money(row.shortfall, row),
            own_fees=_money(row.own_fees, row),
            booking_date=row.booking_date,
            allocation=row.allocation,
            booked_by=row.booked_by,
            partner_reference=row.partner_reference,
            corrects=row.corrects,
            recorded_at=row.recorded_at,
            shares=shares[row.payment_id],
            on_other_studios=_money(hidden.get(row.payment_id, NOTHING), row),
        )
        for row in rows
    ]


async def shares_from_other_cases(
    connection: AsyncConnection, principal: Principal, case: Row[Any]
) -> list[ShareFromOtherCase]:
    """Return what payments on other cases of the member pay on a case's claims, oldest first."""
    amount = -func.sum(entries.c.amount)
    result = await connection.execute(
        select(
            payments.c.payment_id,
            payments.c.case_id,
            payments.c.booking_date,
            entries.c.claim_id,
            amount.label("amount"),
            visible(principal).label("may_see"),
        )
        .select_from(entries)
        .join(payments, _same(entries, payments, "payment_id"))
        .join(cases, _same(payments, cases, "case_id"))
        .where(
            entries.c.tenant_id == case.tenant_id,
            entries.c.case_id == case.case_id,
            entries.c.claim_id.is_not(None),
            payments.c.case_id != case.case_id,
        )
        .group_by(*payments.primary_key, *cases.primary_key, entries.c.claim_id)
        .having(amount > 0)
        .order_by(
            payments.c.payment_id, func.max(entries.c.entry_number).filter(entries.c.amount < 0)
        )
    )
    return [
        ShareFromOtherCase(
            payment_id=row.payment_id,
            case_id=row.case_id if row.may_see else None,
            claim_id=row.claim_id,
            amount=_money(row.amount, case),
            booking_date=row.booking_date,
        )
        for row in result
    ]


async def _shares(
    connection: AsyncConnection, principal: Principal, of_payments: ColumnElement[bool]
) -> list[Any]:
    """Return the shares that payments have now, in the order in which claims got them last."""
    amount = -func.sum(entries.c.amount)
    result = await connection.execute(
        select(
            entries.c.payment_id,
            entries.c.case_id,
            entries.c.claim_id,
            amount.label("amount"),
            visible(principal).label("may_see"),
        )
        .select_from(payments)
        .join(entries, _same(payments, entries, "payment_id"))
        .join(cases, _same(entries, cases, "case_id"))
        .where(of_payments, entries.c.claim_id.is_not(None))
        .group_by(entries.c.payment_id, entries.c.case_id, entries.c.claim_id, *cases.primary_key)
        .having(amount > 0)
        .order_by(func.max(entries.c.entry_number).filter(entries.c.amount < 0))
    )
    return list(result)


def _same(one: Any, other: Any, name: str) -> ColumnElement[bool]:
    return and_(one.c.tenant_id == other.c.tenant_id, one.c[name] == other.c[name])


def _unallocated(row: Row[Any]) -> UnallocatedPayment:
    return UnallocatedPayment(
        payment_id=row.payment_id,
        case_id=row.case_id,
        case_status=row.case_status,
        studio_id=row.studio_id,
        partner_id=row.partner_id,
        member=MemberOfPayment(
            member_id=row.member_id, name=row.name, membership_number=row.membership_number
        ),
        amount=_money(row.amount, row),
        unallocated=_money(row.unallocated, row),
        own_fees=_money(row.own_fees, row),
        booking_date=row.booking_date,
        partner_reference=row.partner_reference,
        recorded_at=row.recorded_at,
    )


def _money(amount: Decimal, row: Row[Any]) -> Money:
    return Money(amount=amount, currency=row.currency)
