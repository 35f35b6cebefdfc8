"""All SQL about circuits, and how much is under way to a partner.

Several instances share both: whoever holds the row of the circuit decides.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.deliveries.circuit import Circuit

_COLUMNS: Final = "failures, opened_at, next_probe_at, probing_until"
_FIND = text(
    f"""
    SELECT {_COLUMNS} FROM circuits
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id
    """  # noqa: S608 - constants
)
# The update changes nothing: it locks the row, and lets it be returned.
_LOCK = text(
    f"""
    INSERT INTO circuits (tenant_id, partner_id) VALUES (:tenant_id, :partner_id)
    ON CONFLICT (tenant_id, partner_id) DO UPDATE SET failures = circuits.failures
    RETURNING {_COLUMNS}
    """  # noqa: S608 - constants
)
_SAVE = text(
    """
    UPDATE circuits
    SET failures = :failures, opened_at = :opened_at, next_probe_at = :next_probe_at,
        probing_until = :probing_until
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id
    """
)
_CLOSE = text(
    """
    UPDATE circuits
    SET failures = 0, opened_at = NULL, next_probe_at = NULL, probing_until = NULL
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND failures > 0
    RETURNING old.opened_at IS NOT NULL AS was_open
    """
)
_COUNT_UNDER_WAY = text(
    """
    SELECT count(*) FROM deliveries
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND under_way_until > :now
    """
)
_PROBE_NOW = text(
    """
    UPDATE circuits SET next_probe_at = :now
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND opened_at IS NOT NULL
    """
)


async def find(connection: AsyncConnection, tenant_id: UUID, partner_id: UUID) -> Circuit:
    """Return a partner's circuit."""
    row = (await connection.execute(_FIND, _key(tenant_id, partner_id))).one_or_none()
    return Circuit() if row is None else Circuit(**row._asdict())


async def lock(connection: AsyncConnection, tenant_id: UUID, partner_id: UUID) -> Circuit:
    """Return a partner's circuit and keep others from changing it, or from making it."""
    row = (await connection.execute(_LOCK, _key(tenant_id, partner_id))).one()
    return Circuit(**row._asdict())


async def save(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, circuit: Circuit
) -> None:
    """Store a changed circuit; the caller holds its row."""
    parameters = {
        **_key(tenant_id, partner_id),
        "failures": circuit.failures,
        "opened_at": circuit.opened_at,
        "next_probe_at": circuit.next_probe_at,
        "probing_until": circuit.probing_until,
    }
    await connection.execute(_SAVE, parameters)


async def close(connection: AsyncConnection, tenant_id: UUID, partner_id: UUID) -> bool:
    """Store that a partner answers; say whether its circuit was open."""
    row = (await connection.execute(_CLOSE, _key(tenant_id, partner_id))).one_or_none()
    return row is not None and bool(row.was_open)


async def count_under_way(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, now: datetime
) -> int:
    """Return how many requests a partner has from all instances; the caller holds its circuit.

    A request of whoever died counts until nobody could still be at it.
    """
    parameters = {**_key(tenant_id, partner_id), "now": now}
    return int(await connection.scalar(_COUNT_UNDER_WAY, parameters) or 0)


async def probe_now(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, now: datetime
) -> None:
    """End the pause of an open circuit."""
    await connection.execute(_PROBE_NOW, {**_key(tenant_id, partner_id), "now": now})


def _key(tenant_id: UUID, partner_id: UUID) -> dict[str, UUID]:
    return {"tenant_id": tenant_id, "partner_id": partner_id}
