"""Read models of members, claims, studios and partners: what is saved, and found again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Table, Text, bindparam, cast, column, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.parts import Channel
from run_service.tables import partners


async def save_newest(
    connection: AsyncConnection, table: Table, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Keep each row whose `sequence` is higher than that of what is there (R12)."""
    key = [part.name for part in table.primary_key]
    newest: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for row in rows:
        known = newest.setdefault(tuple(row[part] for part in key), row)
        if row["sequence"] > known["sequence"]:
            newest[tuple(row[part] for part in key)] = row
    names = [part.name for part in table.columns]
    incoming = (
        func.jsonb_to_recordset(cast(bindparam("rows", type_=Text), JSONB))
        .table_valued(*(column(part.name, part.type) for part in table.columns))
        .render_derived(name="incoming", with_types=True)
    )
    # Ordered, so that batches that meet lock the rows in the same order.
    insertion = insert(table).from_select(
        names, select(*incoming.c).order_by(*(incoming.c[part] for part in key))
    )
    await connection.execute(
        insertion.on_conflict_do_update(
            index_elements=key,
            set_={name: insertion.excluded[name] for name in names if name not in key},
            where=insertion.excluded.sequence > table.c.sequence,
        ),
        {"rows": to_json(list(newest.values())).decode()},
    )


@dataclass(frozen=True, slots=True)
class Share:
    """What one booking changed on one claim; below zero where a payment was reduced."""

    tenant_id: UUID
    claim_id: UUID
    booking_id: UUID
    amount: Decimal


_ADD_SHARES = text(
    """
    WITH fresh AS (
        INSERT INTO collected_shares (tenant_id, claim_id, booking_id, amount)
        SELECT tenant_id, claim_id, booking_id, amount
        FROM jsonb_to_recordset(CAST(:shares AS jsonb))
             AS share (tenant_id uuid, claim_id uuid, booking_id uuid, amount numeric)
        ORDER BY tenant_id, claim_id, booking_id
        ON CONFLICT DO NOTHING
        RETURNING tenant_id, claim_id, amount
    )
    INSERT INTO collected (tenant_id, claim_id, amount)
    SELECT tenant_id, claim_id, sum(amount) FROM fresh
    GROUP BY tenant_id, claim_id
    ORDER BY tenant_id, claim_id
    ON CONFLICT (tenant_id, claim_id)
    DO UPDATE SET amount = collected.amount + excluded.amount
    """
)


async def add_shares(connection: AsyncConnection, shares: Sequence[Share]) -> None:
    """Add to what was collected on the claims; a share that is known already changes nothing."""
    await connection.execute(_ADD_SHARES, {"shares": to_json(shares).decode()})


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
