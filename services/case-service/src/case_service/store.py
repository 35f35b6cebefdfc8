"""All SQL that changes something, and what is read to decide a change.

Everything works on sets. Each verb locks rows in this order, and rows of one table by their ids, so
that verbs never wait in a circle: runs, claims, cases, members. A batch of many kinds of messages
is several verbs in one transaction. Parts of it that are handled at once share no member; should it
meet a batch of another instance, PostgreSQL ends one, and it is handled again.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import and_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.cases import new_rows
from case_service.cases.case import Case, Key
from case_service.cases.store import CASE_COLUMNS, update_cases, with_claims
from case_service.ledger.history import HistoryItem
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion
from case_service.ledger.posting import Line, Posting
from case_service.payments.payment import Payment
from case_service.rows import Values, given, insert_rows, same
from case_service.tables import case_claims, cases, entries, history, is_live, members, payments
from contracts import Event
from kit import outbox
from kit.database import copy_rows
from kit.outbox import WrittenEvent

_OCCASION_COLUMNS: Final = (
    "tenant_id", "recorded_at", "actor_kind", "actor", "why", "correlation_id",
)  # fmt: skip
_ENTRY_COLUMNS: Final = (
    *_OCCASION_COLUMNS, "posting_id", "kind", "currency", "booking_date", *Line._fields,
)  # fmt: skip
"""What a posting says of all its entries, and then what each has for itself."""
_HISTORY_COLUMNS: Final = (
    "case_id", "kind", "details", "posting_id", "event_ids", *_OCCASION_COLUMNS,
)  # fmt: skip

# Handovers, of which a large run has most, look cases up by arrays of ids: these cost less than the
# JSON of `given`, by which all others do. But PostgreSQL may expect many of them: `OFFSET 0` and
# `ANY (ARRAY[…])` rule out hash and merge joins. `OFFSET 0` is for what is only read: cases would
# be locked before they are in order. So those of members are found first, and few have any.
_KNOWN_CASES: Final = text(
    """
    SELECT wanted.tenant_id, wanted.case_id
    FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:ids AS uuid[])) AS wanted (tenant_id, case_id),
         LATERAL (
             SELECT FROM cases
             WHERE cases.tenant_id = wanted.tenant_id AND cases.case_id = wanted.case_id
             OFFSET 0
         ) AS known
    """
)
_LOCK_CASES_OF_MEMBERS: Final = text(
    f"""
    SELECT {", ".join(map(str, CASE_COLUMNS))}
    FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:ids AS uuid[])) AS wanted (tenant_id, member_id)
         CROSS JOIN LATERAL (
             SELECT tenant_id, case_id FROM cases
             WHERE cases.tenant_id = wanted.tenant_id AND cases.member_id = wanted.member_id
             OFFSET 0
         ) AS known
    JOIN cases ON cases.tenant_id = ANY (ARRAY[known.tenant_id])
              AND cases.case_id = ANY (ARRAY[known.case_id])
    ORDER BY cases.tenant_id, cases.case_id
    FOR NO KEY UPDATE OF cases
    """  # noqa: S608 - names of columns
)
_ENTER_MEMBERS: Final = text(
    """
    INSERT INTO members (tenant_id, member_id, studio_id, name, membership_number,
                         last_handed_over_on, search_text, search_keys)
    SELECT tenant_id, member_id, studio_id, name, membership_number, last_handed_over_on,
           search_text, CAST(search_keys AS integer[])
    FROM unnest(CAST(:tenant_id AS uuid[]), CAST(:member_id AS uuid[]), CAST(:studio_id AS uuid[]),
                CAST(:name AS text[]), CAST(:membership_number AS text[]),
                CAST(:last_handed_over_on AS date[]), CAST(:search_text AS text[]),
                CAST(:search_keys AS text[]))
         AS new (tenant_id, member_id, studio_id, name, membership_number, last_handed_over_on,
                 search_text, search_keys)
    ORDER BY tenant_id, member_id
    ON CONFLICT (tenant_id, member_id) DO UPDATE SET
        studio_id = excluded.studio_id, name = excluded.name,
        membership_number = excluded.membership_number,
        last_handed_over_on = excluded.last_handed_over_on,
        search_text = excluded.search_text, search_keys = excluded.search_keys
    WHERE excluded.last_handed_over_on >= members.last_handed_over_on
    """
)


async def save(connection: AsyncConnection, journal: Journal) -> None:
    """Write what a journal holds: changed cases, payments, entries, history and events.

    The cases must have been locked in this transaction.
    """
    await update_cases(connection, list(journal.cases.values()))
    await record(connection, journal)


async def record(connection: AsyncConnection, journal: Journal) -> None:
    """Write what a journal holds besides the cases themselves."""
    await insert_rows(connection, payments, [_payment_row(each) for each in journal.new_payments])
    await _update_payments(connection, list(journal.changed_payments.values()))
    if journal.postings:
        await copy_rows(connection, entries.name, _ENTRY_COLUMNS, _entry_rows(journal.postings))
    _read_first_of_each_type(event for event, _ in journal.outgoing)
    event_ids = await outbox.publish_written(
        connection,
        (
            (event if isinstance(event, WrittenEvent) else outbox.written(event), cause)
            for event, cause in journal.outgoing
        ),
    )
    if journal.history:
        rows = [_history_row(item, event_ids) for item in journal.history]
        await copy_rows(connection, history.name, _HISTORY_COLUMNS, rows)


def _read_first_of_each_type(outgoing: Iterable[Event | WrittenEvent]) -> None:
    """Let the contracts' models read the first event of each type that was written without them.

    Raises `pydantic.ValidationError` (a `ValueError`) where the contract does not hold.
    """
    first: dict[type[Event], bytes] = {}
    for event in outgoing:
        if isinstance(event, WrittenEvent):
            first.setdefault(event.event_class, event.payload)
    for event_class, payload in first.items():
        event_class.model_validate_json(payload)


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
            "paid_out": payment.paid_out,
            "shortfall": payment.shortfall,
        }
        for payment in changed
    ]
    new = given(payments, rows)
    key = ("tenant_id", "payment_id")
    await connection.execute(
        update(payments)
        .values({each.name: each for each in new.c if each.name not in key})
        .where(same(payments, new, key))
    )


async def enter_members(connection: AsyncConnection, rows: Sequence[new_rows.MemberRow]) -> None:
    """Enter members as at their latest handover, and lock them; `rows` has each once."""
    columns = dict(zip(new_rows.MemberRow._fields, map(list, zip(*rows, strict=True)), strict=True))
    await connection.execute(_ENTER_MEMBERS, columns)


async def known_cases(connection: AsyncConnection, keys: Iterable[Key]) -> set[Key]:
    """Return those of the cases that are there; `keys` has at least one."""
    result = await connection.execute(_KNOWN_CASES, _as_arrays(keys))
    return {(row.tenant_id, row.case_id) for row in result}


async def insert_cases(
    connection: AsyncConnection,
    case_rows: Sequence[tuple[Any, ...]],
    claim_rows: Sequence[tuple[Any, ...]],
) -> None:
    """Add cases with their claims; the rows are those of `cases/new_rows.py`."""
    await copy_rows(connection, cases.name, new_rows.NEW_CASE_COLUMNS, case_rows)
    await copy_rows(connection, case_claims.name, new_rows.NEW_CLAIM_COLUMNS, claim_rows)


async def lock_cases(connection: AsyncConnection, keys: Iterable[Key]) -> dict[Key, Case]:
    """Load and lock the cases that exist, with their claims."""
    chosen = given(cases, _case_keys(keys))
    result = await connection.execute(
        select(*CASE_COLUMNS)
        .join(chosen, same(cases, chosen, ("tenant_id", "case_id")))
        .order_by(cases.c.tenant_id, cases.c.case_id)
        .with_for_update(of=cases, key_share=True)
    )
    return await with_claims(connection, result.all())


async def members_of_cases(
    connection: AsyncConnection, keys: Iterable[Key]
) -> set[tuple[UUID, UUID]]:
    """Return the members (tenant and member) of those of the cases that exist."""
    chosen = given(cases, _case_keys(keys))
    result = await connection.execute(
        select(cases.c.tenant_id, cases.c.member_id).join(
            chosen, same(cases, chosen, ("tenant_id", "case_id"))
        )
    )
    return {(row.tenant_id, row.member_id) for row in result}


async def lock_cases_of_members(
    connection: AsyncConnection, members_: Iterable[tuple[UUID, UUID]]
) -> dict[Key, Case]:
    """Load and lock all cases that these members (tenant and member), at least one, ever had."""
    result = await connection.execute(_LOCK_CASES_OF_MEMBERS, _as_arrays(set(members_)))
    return await with_claims(connection, result.all())


async def members_of_claims(
    connection: AsyncConnection, claims: Iterable[tuple[UUID, UUID]]
) -> set[tuple[UUID, UUID]]:
    """Return the members (tenant and member) who have a case with one of the claims."""
    wanted = given(
        case_claims, [{"tenant_id": tenant, "claim_id": claim} for tenant, claim in set(claims)]
    )
    result = await connection.execute(
        select(cases.c.tenant_id, cases.c.member_id)
        .select_from(wanted)
        .join(case_claims, same(case_claims, wanted, ("tenant_id", "claim_id")))
        .join(
            cases,
            and_(
                cases.c.tenant_id == case_claims.c.tenant_id,
                cases.c.case_id == case_claims.c.case_id,
            ),
        )
        .distinct()
    )
    return {(row.tenant_id, row.member_id) for row in result}


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


def _as_arrays(keys: Iterable[tuple[UUID, UUID]]) -> dict[str, list[UUID]]:
    """Return pairs of a tenant and another id, at least one, as the parameters of a statement."""
    tenant_ids, ids = zip(*keys, strict=True)
    return {"tenant_ids": list(tenant_ids), "ids": list(ids)}


def _case_keys(keys: Iterable[Key]) -> list[Values]:
    return [{"tenant_id": tenant, "case_id": case} for tenant, case in set(keys)]


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
        "paid_out": payment.paid_out,
        "shortfall": payment.shortfall,
        "currency": payment.currency,
        "booking_date": payment.booking_date,
        "allocation": payment.allocation_kind,
        "booked_by": payment.booked_by,
        "partner_reference": payment.partner_reference,
        "corrects": payment.corrects,
        "recorded_at": payment.recorded_at,
    }


def _history_row(item: HistoryItem, event_ids: Sequence[UUID]) -> tuple[Any, ...]:
    return (
        item.case_id,
        item.kind,
        to_json(item.details).decode(),
        item.posting_id,
        [event_ids[event] for event in item.events],
        *_occasion_values(item.occasion),
    )


def _entry_rows(postings: Iterable[Posting]) -> Iterator[tuple[Any, ...]]:
    """Return the entries of postings; those that follow one another mostly have one occasion."""
    occasion: Occasion | None = None
    said: tuple[Any, ...] = ()
    for posting_id, kind, currency, booking_date, of_posting, lines in postings:
        if of_posting is not occasion:
            occasion = of_posting
            said = _occasion_values(occasion)
        of_all = (*said, posting_id, kind, currency, booking_date)
        for line in lines:
            yield of_all + line


def _occasion_values(occasion: Occasion) -> tuple[Any, ...]:
    return (
        occasion.cause.tenant_id,
        occasion.at,
        occasion.actor_kind,
        occasion.actor,
        occasion.why,
        occasion.cause.correlation_id,
    )
