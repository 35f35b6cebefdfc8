"""SQL that reads payments to decide what becomes of them; `case_service.store` writes them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.ledger.occasion import ActorKind
from case_service.payments.allocation import Allocation, Share
from case_service.payments.payment import AllocationKind, Payment
from case_service.rows import given, same
from case_service.tables import entries, payments

ClaimKey = tuple[UUID, UUID]
"""Tenant and claim."""


async def reported_payments(
    connection: AsyncConnection, references: Iterable[tuple[UUID, UUID, str]]
) -> dict[tuple[UUID, UUID, str], list[Payment]]:
    """Return the payments that stand under partners' references (tenant, case, reference).

    The one that was reported first leads, those that correct it follow. The cases must be locked;
    to change the payments, all cases of their members.
    """
    wanted = given(
        payments,
        [
            {"tenant_id": tenant, "case_id": case, "partner_reference": reference}
            for tenant, case, reference in set(references)
        ],
    )
    result = await connection.execute(
        select(payments)
        .join(wanted, same(payments, wanted, wanted.c.keys()))
        .order_by(payments.c.payment_id)
    )
    found: defaultdict[tuple[UUID, UUID, str], list[Payment]] = defaultdict(list)
    for payment in await _loaded(connection, result.all()):
        assert payment.partner_reference is not None
        key = (payment.tenant_id, payment.case_id, payment.partner_reference)
        found[key].append(payment)
    for booked in found.values():
        booked.sort(key=lambda payment: payment.corrects is not None)
    return found


async def shares_as_booked(connection: AsyncConnection, payment: Payment) -> list[Share]:
    """Return the shares that a payment was booked with, whatever became of them since."""
    of_payment = and_(
        entries.c.tenant_id == payment.tenant_id, entries.c.payment_id == payment.payment_id
    )
    first = select(entries.c.posting_id).where(of_payment).order_by(entries.c.entry_number).limit(1)
    result = await connection.execute(
        select(entries.c.case_id, entries.c.claim_id, -entries.c.amount)
        .where(of_payment, entries.c.posting_id == first.scalar_subquery())
        .where(entries.c.claim_id.is_not(None))
        .order_by(entries.c.entry_number)
    )
    return [Share(*row) for row in result]


async def payments_by_id(
    connection: AsyncConnection, keys: Iterable[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], Payment]:
    """Return those of the payments (tenant and payment) that exist.

    All cases of their members must be locked.
    """
    wanted = given(
        payments, [{"tenant_id": tenant, "payment_id": payment} for tenant, payment in set(keys)]
    )
    result = await connection.execute(
        select(payments).join(wanted, same(payments, wanted, ("tenant_id", "payment_id")))
    )
    loaded = await _loaded(connection, result.all())
    return {(payment.tenant_id, payment.payment_id): payment for payment in loaded}


async def payments_on_claims(
    connection: AsyncConnection, claims: Iterable[ClaimKey]
) -> dict[ClaimKey, list[Payment]]:
    """Return the payments that have a share on the claims, in any case; the last booked first.

    A payment with shares on several of the claims is one object in all their lists. All cases of
    their members must be locked.
    """
    wanted = given(entries, [{"tenant_id": tenant, "claim_id": claim} for tenant, claim in claims])
    concerned = await connection.execute(
        select(entries.c.tenant_id, entries.c.payment_id)
        .select_from(wanted)
        .join(entries, same(entries, wanted, ("tenant_id", "claim_id")))
        .where(entries.c.payment_id.is_not(None))
        .distinct()
    )
    keys = [(row.tenant_id, row.payment_id) for row in concerned]
    found: defaultdict[ClaimKey, list[Payment]] = defaultdict(list)
    if keys:
        loaded = await payments_by_id(connection, keys)
        for payment in sorted(loaded.values(), key=lambda each: each.payment_id, reverse=True):
            for claim_id in {share.claim_id for share in payment.allocation.shares}:
                found[payment.tenant_id, claim_id].append(payment)
    return found


async def _loaded(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[Payment]:
    shares = await _remaining_shares(connection, rows)
    return [
        Payment(
            tenant_id=row.tenant_id,
            payment_id=row.payment_id,
            case_id=row.case_id,
            amount=row.amount,
            own_fees=row.own_fees,
            booking_date=row.booking_date,
            booked_by=ActorKind(row.booked_by),
            allocation=Allocation(tuple(shares[row.payment_id]), row.unallocated),
            allocation_kind=AllocationKind(row.allocation),
            booked_amount=row.booked_amount,
            booked_own_fees=row.booked_own_fees,
            currency=row.currency,
            recorded_at=row.recorded_at,
            partner_reference=row.partner_reference,
            corrects=row.corrects,
            paid_out=row.paid_out,
            shortfall=row.shortfall,
        )
        for row in rows
    ]


async def _remaining_shares(
    connection: AsyncConnection, rows: Sequence[Row[Any]]
) -> dict[UUID, list[Share]]:
    """Return what each claim still has of these payments, in the order in which it got it last."""
    shares: defaultdict[UUID, list[Share]] = defaultdict(list)
    if not rows:
        return shares
    chosen = given(
        entries, [{"tenant_id": row.tenant_id, "payment_id": row.payment_id} for row in rows]
    )
    amount = -func.sum(entries.c.amount)
    result = await connection.execute(
        select(entries.c.payment_id, entries.c.case_id, entries.c.claim_id, amount)
        .join(chosen, same(entries, chosen, ("tenant_id", "payment_id")))
        .where(entries.c.claim_id.is_not(None))
        .group_by(entries.c.payment_id, entries.c.case_id, entries.c.claim_id)
        .having(amount > 0)
        .order_by(func.max(entries.c.entry_number).filter(entries.c.amount < 0))
    )
    for payment_id, case_id, claim_id, left in result:
        shares[payment_id].append(Share(case_id, claim_id, left))
    return shares
