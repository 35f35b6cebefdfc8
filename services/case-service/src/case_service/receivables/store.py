"""All SQL on what receivables says of claims."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.ledger.events import ClaimFacts
from case_service.rows import Values, given, same
from case_service.tables import claims

ClaimKey = tuple[UUID, UUID]
"""Tenant and claim."""

_KEY = ("tenant_id", "claim_id")


def claim_row(key: ClaimKey, facts: ClaimFacts, currency: str) -> Values:
    """Return what receivables says of a claim as a row."""
    return {
        "tenant_id": key[0],
        "claim_id": key[1],
        "sequence": facts.sequence,
        "amount": facts.amount,
        "paid_directly": facts.paid_directly,
        "cancelled": facts.cancelled,
        "currency": currency,
    }


async def take_in(
    connection: AsyncConnection, rows: Sequence[Values]
) -> tuple[dict[tuple[ClaimKey, str], ClaimFacts], set[tuple[ClaimKey, str]]]:
    """Keep what is newer than what was known, and lock it.

    `rows` has each claim once for each currency. A claim keeps the currency that it had first.
    Returns what was known before of the claims that were known and are newer now, and those that
    came in another currency; all with the currency.
    """
    new = given(claims, rows)
    ordered = select(new).order_by("tenant_id", "claim_id", "sequence")
    await connection.execute(
        postgresql.insert(claims).from_select(list(rows[0]), ordered).on_conflict_do_nothing()
    )
    is_newer = and_(claims.c.sequence < new.c.sequence, claims.c.currency == new.c.currency)
    result = await connection.execute(
        select(claims, new.c.currency.label("new_currency"))
        .join(new, same(claims, new, _KEY))
        .where(or_(is_newer, claims.c.currency != new.c.currency))
        .order_by(claims.c.tenant_id, claims.c.claim_id)
        .with_for_update(of=claims)
    )
    before: dict[tuple[ClaimKey, str], ClaimFacts] = {}
    other_currency: set[tuple[ClaimKey, str]] = set()
    for row in result:
        key = ((row.tenant_id, row.claim_id), row.new_currency)
        if row.currency != row.new_currency:
            other_currency.add(key)
        else:
            before[key] = _facts(row)
    if before:
        await connection.execute(
            update(claims)
            .values({each.name: each for each in new.c if each.name not in _KEY})
            .where(same(claims, new, _KEY), is_newer)
        )
    return before, other_currency


async def hold_claims(
    connection: AsyncConnection, rows: Sequence[Values]
) -> Mapping[ClaimKey, ClaimFacts]:
    """Lock claims that go into cases (`rows` has each once); return what is known of them.

    What was not known before is entered as `rows` say; what is known stays as it is. Nothing is
    returned when none was known before.
    """
    ordered = select(given(claims, rows)).order_by("tenant_id", "claim_id")
    entered = await connection.execute(
        postgresql.insert(claims).from_select(list(rows[0]), ordered).on_conflict_do_nothing()
    )
    if entered.rowcount == len(rows):
        return {}
    return await lock_claims(connection, [(row["tenant_id"], row["claim_id"]) for row in rows])


async def in_other_currency(connection: AsyncConnection, rows: Sequence[Values]) -> set[ClaimKey]:
    """Return those claims that are known in another currency than `rows` (ids, currency) say."""
    said = given(claims, rows)
    result = await connection.execute(
        select(claims.c.tenant_id, claims.c.claim_id)
        .join(said, same(claims, said, _KEY))
        .where(claims.c.currency != said.c.currency)
    )
    return {(row.tenant_id, row.claim_id) for row in result}


async def lock_claims(
    connection: AsyncConnection, keys: Iterable[ClaimKey]
) -> dict[ClaimKey, ClaimFacts]:
    """Return what receivables said last of claims, and lock them: no case is opened with them.

    Claims are locked before cases.
    """
    wanted = given(claims, [{"tenant_id": tenant, "claim_id": claim} for tenant, claim in keys])
    result = await connection.execute(
        select(claims)
        .join(wanted, same(claims, wanted, _KEY))
        .order_by(claims.c.tenant_id, claims.c.claim_id)
        .with_for_update(of=claims)
    )
    return {(row.tenant_id, row.claim_id): _facts(row) for row in result}


def _facts(row: Row[Any]) -> ClaimFacts:
    return ClaimFacts(row.sequence, row.amount, row.paid_directly, row.cancelled)
