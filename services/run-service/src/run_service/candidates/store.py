"""Read models of members, claims, studios and partners: what is saved, and found again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final, Literal
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Table, TextClause, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.parts import Channel
from run_service.candidates.recount import Members
from run_service.tables import partners

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]

# Ordered, so that batches that meet lock the rows in the same order. Versions are looked up by
# their keys, one by one: as a join that would hang on statistics, and read all of them at times.
# Only who has locked the thing itself changes its newest version: that stays where it was found.
_INCOMING: Final = """
    incoming AS MATERIALIZED (
        SELECT * FROM unnest({arrays}) AS given ({names}) ORDER BY {key}
    )"""
_SAVE: Final = """
    INSERT INTO {table} AS known ({columns}) SELECT {columns} FROM incoming
    ON CONFLICT ({key}) DO UPDATE SET {changes}
    WHERE excluded.sequence > coalesce(known.sequence, -1)
    """
_SAVE_VERSIONS: Final = f""",
    saved AS (
        {_SAVE}
        RETURNING new.tenant_id, new.{{id}}, new.sequence, new.member_id AS member_now,
                  old.member_id AS member_before, old.sequence AS sequence_before
    ), superseded AS (
        UPDATE {{versions}} SET superseded_at = now()
        WHERE ctid = ANY (ARRAY(
            SELECT place FROM saved CROSS JOIN LATERAL (
                SELECT version.ctid AS place FROM {{versions}} AS version
                WHERE version.tenant_id = saved.tenant_id AND version.{{id}} = saved.{{id}}
                  AND superseded_at IS NULL
                OFFSET 0
            ) AS newest WHERE sequence_before IS NOT NULL))
    ), kept AS (
        INSERT INTO {{versions}} ({{key}}, sequence, {{parts}})
        SELECT {{key}}, saved.sequence, {{parts}} FROM saved JOIN incoming USING ({{key}})
    )
    SELECT CAST(array_agg(tenant_id) AS text) AS tenant_ids,
           CAST(array_agg(member_id) AS text) AS member_ids
    FROM (
        SELECT tenant_id, member_now AS member_id FROM saved
        UNION
        SELECT tenant_id, member_before FROM saved WHERE member_before IS NOT NULL
    ) AS about
    """  # noqa: S608 - constants


Row = tuple[UUID, UUID, int, *tuple[Any, ...]]
"""Tenant, the thing's own id, its sequence, and what else there is to save."""


async def save_newest(
    connection: AsyncConnection, table: Table, names: tuple[str, ...], rows: Iterable[Row]
) -> None:
    """Keep each row whose `sequence` is higher than that of what is there (R12).

    `names` are those of the values of each row.
    """
    await connection.execute(_save(table, names), _columns(names, rows))


async def save_versions(
    connection: AsyncConnection,
    table: Table,
    versions: Table,
    names: tuple[str, ...],
    rows: Iterable[Row],
) -> Members | None:
    """Do what `save_newest` does, and keep what belongs to `versions` as a row of its own there.

    The version that was the newest until then stays as long as a preview may show it. Returns
    whom the rows that were saved are about, and were about; None if no row was saved.
    """
    found = await connection.execute(_save(table, names, versions), _columns(names, rows))
    tenant_ids, member_ids = found.one()
    return Members(tenant_ids, member_ids) if member_ids else None


@cache
def _save(table: Table, names: tuple[str, ...], versions: Table | None = None) -> TextClause:
    """Return the statement that saves rows with values of these names."""
    tables = [table] if versions is None else [table, versions]
    types = {part.name: part.type.compile(_DIALECT) for each in tables for part in each.columns}
    texts = {name for name, type_ in types.items() if type_.startswith("NUMERIC")}
    key = [part.name for part in table.primary_key]
    columns = [name for name in names if name in table.columns]
    statement = f"WITH {_INCOMING} {_SAVE if versions is None else _SAVE_VERSIONS}"
    arrays = (
        f"CAST({f'CAST(:{name} AS text[])' if name in texts else f':{name}'} AS {types[name]}[])"
        for name in names
    )
    return text(
        statement.format(
            table=table.name,
            versions=versions,
            id=key[-1],
            key=", ".join(key),
            names=", ".join(names),
            arrays=", ".join(arrays),
            columns=", ".join(columns),
            changes=", ".join(f"{name} = excluded.{name}" for name in columns if name not in key),
            parts=", ".join(name for name in names if name not in columns),
        )
    )


def _columns(names: Sequence[str], rows: Iterable[Row]) -> dict[str, list[Any]]:
    """Return the values by name; of several rows on one thing that with the highest sequence."""
    newest: dict[tuple[int, int], Row] = {}
    for row in rows:
        thing = (row[0].int, row[1].int)  # to hash an id itself is Python code
        known = newest.setdefault(thing, row)
        if row[2] > known[2]:
            newest[thing] = row
    columns = zip(*newest.values(), strict=True)
    return {name: list(column) for name, column in zip(names, columns, strict=True)}


@dataclass(frozen=True, slots=True)
class Share:
    """What one booking changed on one claim; below zero where money was taken back."""

    tenant_id: UUID
    case_id: UUID
    claim_id: UUID
    booking_id: UUID
    amount: Decimal


def written_off(tenant_id: UUID, case_id: UUID, claim_id: UUID, amount: Decimal) -> Share:
    """Return what was given up with a case: it never goes again, like what was paid (R25).

    The case itself is the booking; so `COLLECTED_SHARE` tells it from money that came in.
    """
    return Share(tenant_id, case_id, claim_id, case_id, amount)


COLLECTED_SHARE: Final = "share.booking_id <> share.case_id"
"""Whether a row of `collected_shares` that is called `share` is money, and was not given up."""


# The claims stay as they are until the end: else one could go to another member meanwhile, who
# would be counted without the share.
_ADD_SHARES = text(
    """
    WITH fresh AS (
        INSERT INTO collected_shares (tenant_id, claim_id, booking_id, case_id, amount)
        SELECT tenant_id, claim_id, booking_id, case_id, amount
        FROM jsonb_to_recordset(CAST(:shares AS jsonb)) AS share
             (tenant_id uuid, claim_id uuid, booking_id uuid, case_id uuid, amount numeric)
        ORDER BY tenant_id, claim_id, booking_id
        ON CONFLICT DO NOTHING
        RETURNING tenant_id, claim_id, amount
    ), added AS (
        INSERT INTO collected (tenant_id, claim_id, amount)
        SELECT tenant_id, claim_id, sum(amount) FROM fresh
        GROUP BY tenant_id, claim_id
        ORDER BY tenant_id, claim_id
        ON CONFLICT (tenant_id, claim_id)
        DO UPDATE SET amount = collected.amount + excluded.amount
        RETURNING tenant_id, claim_id
    )
    SELECT tenant_id, member_id FROM added JOIN claims USING (tenant_id, claim_id)
    ORDER BY tenant_id, claim_id
    FOR SHARE OF claims
    """
)


async def add_shares(
    connection: AsyncConnection, shares: Sequence[Share]
) -> set[tuple[UUID, UUID]]:
    """Add to what was collected on the claims; a share that is known already changes nothing.

    Returns the members (tenant and member) who owe the claims.
    """
    rows = await connection.execute(_ADD_SHARES, {"shares": to_json(shares).decode()})
    return {(row.tenant_id, row.member_id) for row in rows}


@dataclass(frozen=True, slots=True)
class Partner:
    """What runs need to know of a partner."""

    channel: Channel
    status: Literal["ACTIVE", "PAUSED"]


async def find_partner(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID
) -> Partner | None:
    """Return a partner of the tenant."""
    row = (
        await connection.execute(
            select(partners.c.channel, partners.c.status).where(
                partners.c.tenant_id == tenant_id, partners.c.partner_id == partner_id
            )
        )
    ).one_or_none()
    return None if row is None else Partner(**row._mapping)


_COUNT_STUDIOS = text(
    """
    SELECT count(*) FROM studios
    WHERE tenant_id = :tenant_id AND studio_id = ANY(CAST(:studio_ids AS uuid[]))
    """
)


async def count_studios(
    connection: AsyncConnection, tenant_id: UUID, studio_ids: Iterable[UUID]
) -> int:
    """Return how many of the ids are studios of the tenant."""
    parameters = {"tenant_id": tenant_id, "studio_ids": list(studio_ids)}
    return int(await connection.scalar(_COUNT_STUDIOS, parameters))
