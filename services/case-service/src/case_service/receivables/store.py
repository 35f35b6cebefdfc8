"""All SQL on what receivables says of claims."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, and_, or_, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.ledger.events import ClaimFacts
from case_service.rows import Values, given, same
from case_service.tables import claims

ClaimKey = tuple[UUID, UUID]
"""Tenant and claim."""

_KEY = ("tenant_id", "claim_id")

# What is known already is locked and stays as it is.
_ENTER_AND_LOCK = text(
    """
    INSERT INTO claims (tenant_id, claim_id, sequence, amount, paid_directly, cancelled, currency)
    SELECT DISTINCT ON (tenant_id, claim_id)
           tenant_id, claim_id, sequence, CAST(amount AS numeric), CAST(paid_directly AS numeric),
           false, currency
    FROM unnest(CAST(:tenant_id AS uuid[]), CAST(:claim_id AS uuid[]), CAST(:sequence AS bigint[]),
                CAST(:amount AS text[]), CAST(:paid_directly AS text[]), CAST(:currency AS text[]))
         WITH ORDINALITY AS said (tenant_id, claim_id, sequence, amount, paid_directly, currency,
                                  place)
    ORDER BY tenant_id, claim_id, place
    ON CONFLICT (tenant_id, claim_id) DO UPDATE SET sequence = claims.sequence WHERE false
    """
)

# OFFSET and LIMIT have each claim looked up by its ids, however many PostgreSQL made its plan for.
_MORE_THAN_SAID = text(
    """
    SELECT said.place, known.*, held.is_in_case
    FROM unnest(CAST(:tenant_id AS uuid[]), CAST(:claim_id AS uuid[]), CAST(:sequence AS bigint[]),
                CAST(:currency AS text[]))
         WITH ORDINALITY AS said (tenant_id, claim_id, sequence, currency, place)
    CROSS JOIN LATERAL (
        SELECT sequence, amount, paid_directly, cancelled, currency FROM claims
        WHERE claims.tenant_id = said.tenant_id AND claims.claim_id = said.claim_id
        OFFSET 0
    ) AS known
    LEFT JOIN LATERAL (
        SELECT true AS is_in_case FROM case_claims
        WHERE case_claims.tenant_id = said.tenant_id AND case_claims.claim_id = said.claim_id
        LIMIT 1
    ) AS held ON true
    WHERE known.sequence <> said.sequence OR known.currency <> said.currency OR held.is_in_case
    ORDER BY said.place
    """
)


class SaidClaim(NamedTuple):
    """A claim of a handover, as receivables said when that was made."""

    tenant_id: UUID
    claim_id: UUID
    sequence: int
    amount: Decimal
    paid_directly: Decimal
    currency: str


class KnownClaim(NamedTuple):
    """A claim of which more is known than a handover says."""

    place: int
    """Of the claim among those that were said."""
    facts: ClaimFacts
    currency: str
    is_in_case: bool


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


async def hold_claims(connection: AsyncConnection, said: Sequence[SaidClaim]) -> list[KnownClaim]:
    """Lock claims that go into cases; return what is known of them besides what is `said`.

    What was not known before is entered as it is said, the first of it where a claim is said twice;
    what is known stays as it is. Returned are the claims that are known with another sequence or
    currency, or that are in a case.
    """
    if not said:
        return []
    columns = dict(zip(SaidClaim._fields, map(list, zip(*said, strict=True)), strict=True))
    amounts = {name: [str(each) for each in columns[name]] for name in ("amount", "paid_directly")}
    entered = await connection.execute(_ENTER_AND_LOCK, columns | amounts)
    if entered.rowcount == len(said):
        return []
    names = ("tenant_id", "claim_id", "sequence", "currency")
    result = await connection.execute(_MORE_THAN_SAID, {name: columns[name] for name in names})
    return [
        KnownClaim(row.place - 1, _facts(row), row.currency, bool(row.is_in_case)) for row in result
    ]


async def currencies_of(
    connection: AsyncConnection, keys: Iterable[ClaimKey]
) -> dict[ClaimKey, str]:
    """Return the currencies of those of the claims that are known."""
    wanted = given(claims, [{"tenant_id": tenant, "claim_id": claim} for tenant, claim in keys])
    result = await connection.execute(
        select(claims.c.tenant_id, claims.c.claim_id, claims.c.currency).join(
            wanted, same(claims, wanted, _KEY)
        )
    )
    return {(row.tenant_id, row.claim_id): row.currency for row in result}


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
