"""`case-service audit`: is every balance what its entries say? (R31)

The sums are made here again, in code of its own: nothing that writes balances is used, so a fault
there cannot hide itself. Reads one snapshot of the database, some cases at a time: however large
the ledger is, memory stays small and nobody is held up.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.context import Context

CASES_AT_A_TIME = 500

_START = (UUID(int=0), UUID(int=0))
_ZERO = Decimal(0)

_CASES = text(
    """
    SELECT tenant_id, case_id, currency, status, result, handed_over, open, unallocated
    FROM cases WHERE (tenant_id, case_id) > (:tenant_id, :case_id)
    ORDER BY tenant_id, case_id LIMIT :limit
    """
)
_CLAIMS = text(
    """
    SELECT tenant_id, case_id, claim_id, handed_over, collected, open
    FROM case_claims
    WHERE (tenant_id, case_id) BETWEEN (:first_tenant, :first_case) AND (:last_tenant, :last_case)
    """
)
_PAYMENTS = text(
    """
    SELECT tenant_id, case_id, payment_id, currency, amount, unallocated
    FROM payments
    WHERE (tenant_id, case_id) BETWEEN (:first_tenant, :first_case) AND (:last_tenant, :last_case)
    """
)
_ENTRIES = text(
    """
    SELECT tenant_id, case_id, account, claim_id, payment_id, kind, amount, currency
    FROM entries
    WHERE (tenant_id, case_id) BETWEEN (:first_tenant, :first_case) AND (:last_tenant, :last_case)
    ORDER BY tenant_id, case_id, entry_number
    """
)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is kept otherwise than the entries say."""

    tenant_id: UUID
    case_id: UUID
    what: str
    kept: object
    recomputed: object

    def __str__(self) -> str:
        return (
            f"tenant {self.tenant_id} case {self.case_id} {self.what}: "
            f"kept {self.kept}, entries say {self.recomputed}"
        )


@dataclass(frozen=True, slots=True)
class _CaseRows:
    """All that the database holds on one case."""

    case: Row[Any]
    claims: Sequence[Row[Any]]
    payments: Sequence[Row[Any]]
    entries: Sequence[Row[Any]]


async def audit(context: Context[Any], _arguments: Sequence[str]) -> int:
    """Print each difference and how many there are; return 0 when there is none, else 1."""
    count = 0
    async with context.database.connect() as connection:
        async for difference in differences(connection):
            count += 1
            print(difference)  # noqa: T201 - what the command is for
    print(f"audit: {count} differences")  # noqa: T201
    return 1 if count else 0


async def differences(connection: AsyncConnection) -> AsyncIterator[Difference]:
    """Yield every difference in the ledger of all tenants."""
    async for rows in _each_case(connection):
        for what, kept, recomputed in _compare(rows):
            if kept != recomputed:
                yield Difference(rows.case.tenant_id, rows.case.case_id, what, kept, recomputed)


async def _each_case(connection: AsyncConnection) -> AsyncIterator[_CaseRows]:
    place = _START
    while True:
        where = {"tenant_id": place[0], "case_id": place[1], "limit": CASES_AT_A_TIME}
        cases = (await connection.execute(_CASES, where)).all()
        if not cases:
            return
        first, last = cases[0], cases[-1]
        between = {
            "first_tenant": first.tenant_id,
            "first_case": first.case_id,
            "last_tenant": last.tenant_id,
            "last_case": last.case_id,
        }
        claims = await _by_case(connection, _CLAIMS, between)
        payments = await _by_case(connection, _PAYMENTS, between)
        entries = await _by_case(connection, _ENTRIES, between)
        for case in cases:
            key = (case.tenant_id, case.case_id)
            yield _CaseRows(case, claims[key], payments[key], entries[key])
        place = (last.tenant_id, last.case_id)


async def _by_case(
    connection: AsyncConnection, statement: TextClause, between: dict[str, UUID]
) -> dict[tuple[UUID, UUID], list[Row[Any]]]:
    found: defaultdict[tuple[UUID, UUID], list[Row[Any]]] = defaultdict(list)
    for row in await connection.execute(statement, between):
        found[row.tenant_id, row.case_id].append(row)
    return found


def _compare(rows: _CaseRows) -> Iterator[tuple[str, object, object]]:
    """Yield what there is to compare: its name, as it is kept, as the entries say."""
    yield from _compare_claims(rows)
    yield from _compare_payments(rows)
    case, entries = rows.case, rows.entries
    owed = [entry.amount for entry in entries if entry.account == "CLAIM"]
    surplus = [-entry.amount for entry in entries if entry.account == "UNALLOCATED"]
    started = [
        entry.amount
        for entry in entries
        if entry.kind == "HANDED_OVER" and entry.account == "CLAIM"
    ]
    yield "open", case.open, sum(owed, _ZERO)
    yield "unallocated", case.unallocated, sum(surplus, _ZERO)
    yield "handed over", case.handed_over, sum(started, _ZERO)
    for currency in {row.currency for row in (*rows.payments, *entries)}:
        yield "currency", case.currency, currency
    paid = {entry.kind for entry in entries if entry.claim_id and entry.payment_id}
    if case.status == "PENDING":
        yield f"payments on claims while {case.status}", set(), paid


def _compare_claims(rows: _CaseRows) -> Iterator[tuple[str, object, object]]:
    owed: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    started: defaultdict[UUID, list[Decimal]] = defaultdict(list)
    for entry in rows.entries:
        if entry.claim_id is None:
            continue
        owed[entry.claim_id] += entry.amount
        if owed[entry.claim_id] < 0:
            yield f"claim {entry.claim_id} below zero", _ZERO, owed[entry.claim_id]
        if entry.kind == "HANDED_OVER":
            started[entry.claim_id].append(entry.amount)
    yield "claims", {claim.claim_id for claim in rows.claims}, set(owed)
    for claim in rows.claims:
        name, begin = f"claim {claim.claim_id}", started[claim.claim_id]
        yield f"{name} handed over", [claim.handed_over], begin
        yield f"{name} open", claim.open, owed[claim.claim_id]
        paid = (
            -entry.amount
            for entry in rows.entries
            if entry.claim_id == claim.claim_id and entry.payment_id is not None
        )
        yield f"{name} collected", claim.collected, sum(paid, _ZERO)


def _compare_payments(rows: _CaseRows) -> Iterator[tuple[str, object, object]]:
    came_in: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    surplus: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    for entry in rows.entries:
        if entry.account == "COLLECTED":
            came_in[entry.payment_id] += entry.amount
        elif entry.account == "UNALLOCATED":
            surplus[entry.payment_id] -= entry.amount
    known = {payment.payment_id for payment in rows.payments}
    yield "payments without a row", set(), (came_in.keys() | surplus.keys()) - known
    for payment in rows.payments:
        name = f"payment {payment.payment_id}"
        yield f"{name} amount", payment.amount, came_in[payment.payment_id]
        yield f"{name} unallocated", payment.unallocated, surplus[payment.payment_id]
