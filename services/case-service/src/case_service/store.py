"""All SQL that changes something, and what is read to decide a change.

Everything works on sets. Each verb locks rows in this order, and rows of one table by their ids, so
that verbs never wait in a circle: runs, cases, members. (Opening a case locks its member first: a
new case is nobody else's yet.) A batch of many kinds of messages is several verbs in one
transaction: should two such batches meet, PostgreSQL ends one, and it is handled again.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.cases.case import Case, Claim, CloseReason, Key, Result, Status
from case_service.ledger.entry import ActorKind, Entry, HistoryItem, Occasion, Payment
from case_service.ledger.journal import Journal
from case_service.payments.allocation import Allocation, Share
from case_service.rows import Values, given, insert_rows, same
from case_service.tables import case_claims, cases, entries, history, is_live, members, payments
from kit import outbox


async def save(connection: AsyncConnection, journal: Journal) -> None:
    """Write what a journal holds: changed cases, payments, entries, history and events.

    The cases must have been locked in this transaction.
    """
    await _update_cases(connection, list(journal.cases.values()))
    await record(connection, journal)


async def record(connection: AsyncConnection, journal: Journal) -> None:
    """Write what a journal holds besides the cases themselves."""
    await insert_rows(connection, payments, [_payment_row(each) for each in journal.new_payments])
    await _update_payments(connection, list(journal.changed_payments.values()))
    await insert_rows(connection, entries, [_entry_row(entry) for entry in journal.entries])
    await insert_rows(connection, history, [_history_row(item) for item in journal.history])
    await outbox.publish(connection, journal.outgoing)


async def _update_cases(connection: AsyncConnection, changed: Sequence[Case]) -> None:
    if not changed:
        return
    for case in changed:
        case.version += 1
    key = ("tenant_id", "case_id")
    new = given(cases, [state_row(case) for case in changed])
    await connection.execute(
        update(cases)
        .values({each.name: each for each in new.c if each.name not in key})
        .where(same(cases, new, key))
    )
    rows = [balance_row(case, claim) for case in changed for claim in case.claims]
    balances = given(case_claims, rows)
    await connection.execute(
        update(case_claims)
        .values(collected=balances.c.collected, open=balances.c.open)
        .where(
            same(case_claims, balances, (*key, "claim_id")),
            tuple_(case_claims.c.collected, case_claims.c.open)
            != tuple_(balances.c.collected, balances.c.open),
        )
    )


async def _update_payments(connection: AsyncConnection, changed: Sequence[Payment]) -> None:
    if not changed:
        return
    rows = [
        {
            "tenant_id": payment.tenant_id,
            "payment_id": payment.payment_id,
            "amount": payment.amount,
            "unallocated": payment.allocation.unallocated,
            "own_fees": payment.own_fees,
        }
        for payment in changed
    ]
    new = given(payments, rows)
    await connection.execute(
        update(payments)
        .values(amount=new.c.amount, unallocated=new.c.unallocated, own_fees=new.c.own_fees)
        .where(same(payments, new, ("tenant_id", "payment_id")))
    )


async def enter_members(connection: AsyncConnection, rows: Sequence[Values]) -> None:
    """Enter members as at their latest handover, and lock them; `rows` has each once."""
    ordered = sorted(rows, key=lambda row: (row["tenant_id"], row["member_id"]))
    new = postgresql.insert(members).from_select(list(rows[0]), select(given(members, ordered)))
    await connection.execute(
        new.on_conflict_do_update(
            index_elements=["tenant_id", "member_id"],
            set_={
                name: new.excluded[name]
                for name in ("studio_id", "name", "membership_number", "last_handed_over_on")
            },
            where=new.excluded.last_handed_over_on >= members.c.last_handed_over_on,
        )
    )


async def known_cases(connection: AsyncConnection, keys: Iterable[Key]) -> set[Key]:
    """Return those of the cases that are there."""
    chosen = given(cases, _case_keys(keys))
    result = await connection.execute(
        select(cases.c.tenant_id, cases.c.case_id).join(
            chosen, same(cases, chosen, ("tenant_id", "case_id"))
        )
    )
    return {(row.tenant_id, row.case_id) for row in result}


async def insert_cases(
    connection: AsyncConnection, case_rows: Sequence[Values], claim_rows: Sequence[Values]
) -> None:
    """Add cases with their claims."""
    await insert_rows(connection, cases, case_rows)
    await insert_rows(connection, case_claims, claim_rows)


async def lock_cases(connection: AsyncConnection, keys: Iterable[Key]) -> dict[Key, Case]:
    """Load and lock the cases that exist, with their claims."""
    chosen = given(cases, _case_keys(keys))
    result = await connection.execute(
        select(cases)
        .join(chosen, same(cases, chosen, ("tenant_id", "case_id")))
        .order_by(cases.c.tenant_id, cases.c.case_id)
        .with_for_update(of=cases, key_share=True)
    )
    return await with_claims(connection, result.all())


async def with_claims(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> dict[Key, Case]:
    """Return the cases in `rows`, which are locked, with their claims."""
    # The claims come in a statement of their own: it sees what was committed while the first one
    # waited for its locks.
    found: defaultdict[Key, list[Claim]] = defaultdict(list)
    if rows:
        wanted = [{"tenant_id": row.tenant_id, "case_id": row.case_id} for row in rows]
        chosen = given(case_claims, wanted)
        result = await connection.execute(
            select(case_claims)
            .join(chosen, same(case_claims, chosen, ("tenant_id", "case_id")))
            .order_by(case_claims.c.claim_id)
        )
        for row in result:
            found[row.tenant_id, row.case_id].append(
                Claim(
                    claim_id=row.claim_id,
                    due_date=row.due_date,
                    voucher_date=row.voucher_date,
                    open=row.open,
                    handed_over=row.handed_over,
                    collected=row.collected,
                )
            )
    loaded = [_case(row, found[row.tenant_id, row.case_id]) for row in rows]
    return {case.key: case for case in loaded}


async def collected_before(
    connection: AsyncConnection, claims: Iterable[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], Decimal]:
    """Return what this ledger collected so far on claims (tenant and claim), in all their cases."""
    wanted = given(
        case_claims, [{"tenant_id": tenant, "claim_id": claim} for tenant, claim in set(claims)]
    )
    result = await connection.execute(
        select(case_claims.c.tenant_id, case_claims.c.claim_id, func.sum(case_claims.c.collected))
        .join(wanted, same(case_claims, wanted, ("tenant_id", "claim_id")))
        .group_by(case_claims.c.tenant_id, case_claims.c.claim_id)
    )
    return {(tenant, claim): amount for tenant, claim, amount in result}


async def lock_members(connection: AsyncConnection, keys: Iterable[tuple[UUID, UUID]]) -> None:
    """Lock members (tenant and member)."""
    wanted = given(
        members, [{"tenant_id": tenant, "member_id": member} for tenant, member in set(keys)]
    )
    await connection.execute(
        select(members.c.member_id)
        .join(wanted, same(members, wanted, ("tenant_id", "member_id")))
        .order_by(members.c.tenant_id, members.c.member_id)
        .with_for_update(of=members, key_share=True)
    )


async def members_with_live_cases(
    connection: AsyncConnection, keys: Iterable[tuple[UUID, UUID]]
) -> set[tuple[UUID, UUID]]:
    """Return those of the members (tenant and member) that still have a case that has not ended."""
    wanted = given(
        cases, [{"tenant_id": tenant, "member_id": member} for tenant, member in set(keys)]
    )
    result = await connection.execute(
        select(cases.c.tenant_id, cases.c.member_id)
        .join(wanted, same(cases, wanted, ("tenant_id", "member_id")))
        .where(is_live)
        .distinct()
    )
    return {(row.tenant_id, row.member_id) for row in result}


async def reported_payments(
    connection: AsyncConnection, references: Iterable[tuple[UUID, UUID, str]]
) -> dict[tuple[UUID, UUID, str], list[Payment]]:
    """Return the payments that partners reported under references (tenant, case, reference).

    The one that was reported first leads, those that correct it follow. Its case must be locked.
    """
    wanted = given(
        payments,
        [
            {"tenant_id": tenant, "case_id": case, "partner_reference": reference}
            for tenant, case, reference in set(references)
        ],
    )
    rows = (
        await connection.execute(
            select(payments)
            .join(wanted, same(payments, wanted, wanted.c.keys()))
            .order_by(payments.c.payment_id)
        )
    ).all()
    shares = await _remaining_shares(connection, rows)
    found: defaultdict[tuple[UUID, UUID, str], list[Payment]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.corrects is not None):
        found[row.tenant_id, row.case_id, row.partner_reference].append(
            Payment(
                tenant_id=row.tenant_id,
                payment_id=row.payment_id,
                case_id=row.case_id,
                amount=row.amount,
                own_fees=row.own_fees,
                booking_date=row.booking_date,
                booked_by=ActorKind(row.booked_by),
                allocation=Allocation(tuple(shares[row.payment_id]), row.unallocated),
                booked_amount=row.booked_amount,
                booked_own_fees=row.booked_own_fees,
                currency=row.currency,
                recorded_at=row.recorded_at,
                partner_reference=row.partner_reference,
                corrects=row.corrects,
            )
        )
    return found


async def _remaining_shares(
    connection: AsyncConnection, rows: Sequence[Row[Any]]
) -> dict[UUID, list[Share]]:
    """Return what each claim still has of these payments, in the order in which it was booked."""
    shares: defaultdict[UUID, list[Share]] = defaultdict(list)
    if not rows:
        return shares
    chosen = given(
        entries, [{"tenant_id": row.tenant_id, "payment_id": row.payment_id} for row in rows]
    )
    amount = -func.sum(entries.c.amount)
    result = await connection.execute(
        select(entries.c.payment_id, entries.c.claim_id, amount)
        .join(chosen, same(entries, chosen, ("tenant_id", "payment_id")))
        .where(entries.c.claim_id.is_not(None))
        .group_by(entries.c.payment_id, entries.c.claim_id)
        .having(amount > 0)
        .order_by(func.min(entries.c.entry_number))
    )
    for payment_id, claim_id, left in result:
        shares[payment_id].append(Share(claim_id, left))
    return shares


def _case_keys(keys: Iterable[Key]) -> list[Values]:
    return [{"tenant_id": tenant, "case_id": case} for tenant, case in sorted(set(keys))]


def _case(row: Row[Any], claims: list[Claim]) -> Case:
    return Case(
        tenant_id=row.tenant_id,
        case_id=row.case_id,
        run_id=row.run_id,
        member_id=row.member_id,
        studio_id=row.studio_id,
        partner_id=row.partner_id,
        collection_date=row.collection_date,
        currency=row.currency,
        status=Status(row.status),
        claims=claims,
        unallocated=row.unallocated,
        file_number=row.file_number,
        reason_code=row.reason_code,
        close_reason=CloseReason(row.close_reason) if row.close_reason else None,
        result=Result(row.result) if row.result else None,
        opened_at=row.opened_at,
        ended_at=row.ended_at,
        version=row.version,
    )


def state_row(case: Case) -> Values:
    """Return the columns of a case that change in its life."""
    return {
        "tenant_id": case.tenant_id,
        "case_id": case.case_id,
        "status": case.status,
        "open": case.open,
        "unallocated": case.unallocated,
        "file_number": case.file_number,
        "reason_code": case.reason_code,
        "close_reason": case.close_reason,
        "result": case.result,
        "opened_at": case.opened_at,
        "ended_at": case.ended_at,
        "version": case.version,
    }


def balance_row(case: Case, claim: Claim) -> Values:
    """Return the key of a claim in a case and its balance."""
    return {
        "tenant_id": case.tenant_id,
        "case_id": case.case_id,
        "claim_id": claim.claim_id,
        "collected": claim.collected,
        "open": claim.open,
    }


def _payment_row(payment: Payment) -> Values:
    return {
        "tenant_id": payment.tenant_id,
        "payment_id": payment.payment_id,
        "case_id": payment.case_id,
        "amount": payment.amount,
        "unallocated": payment.allocation.unallocated,
        "own_fees": payment.own_fees,
        "booked_amount": payment.booked_amount,
        "booked_own_fees": payment.booked_own_fees,
        "currency": payment.currency,
        "booking_date": payment.booking_date,
        "allocation": "AUTOMATIC",
        "booked_by": payment.booked_by,
        "partner_reference": payment.partner_reference,
        "corrects": payment.corrects,
        "recorded_at": payment.recorded_at,
    }


def _entry_row(entry: Entry) -> Values:
    return {
        "case_id": entry.case_id,
        "claim_id": entry.claim_id,
        "payment_id": entry.payment_id,
        "kind": entry.kind,
        "amount": entry.amount,
        "currency": entry.currency,
        "booking_date": entry.booking_date,
        **_occasion_columns(entry.occasion),
    }


def _history_row(item: HistoryItem) -> Values:
    return {
        "case_id": item.case_id,
        "kind": item.kind,
        "details": item.details,
        **_occasion_columns(item.occasion),
    }


def _occasion_columns(occasion: Occasion) -> Values:
    return {
        "tenant_id": occasion.cause.tenant_id,
        "recorded_at": occasion.at,
        "actor_kind": occasion.actor_kind,
        "actor": occasion.actor,
        "why": occasion.why,
        "correlation_id": occasion.cause.correlation_id,
    }
