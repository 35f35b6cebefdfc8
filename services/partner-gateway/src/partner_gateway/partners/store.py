"""All SQL about partners and their secrets."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.adapters import Api
from partner_gateway.partners.partner import Channel, Partner, Status

_COLUMNS = """partner_id, tenant_id, sequence, name, channel, status, api, base_url,
              sealed_api_token, file_number_pattern, created_at, created_by, changed_at,
              changed_by"""

_INSERT = text(
    f"""
    INSERT INTO partners ({_COLUMNS})
    VALUES (:partner_id, :tenant_id, :sequence, :name, :channel, :status, :api, :base_url,
            :sealed_api_token, :file_number_pattern, :created_at, :created_by, :changed_at,
            :changed_by)
    """  # noqa: S608 - constants
)
_UPDATE = text(
    """
    UPDATE partners
    SET sequence = :sequence, name = :name, status = :status, base_url = :base_url,
        sealed_api_token = :sealed_api_token, file_number_pattern = :file_number_pattern,
        changed_at = :changed_at, changed_by = :changed_by
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id
    """
)
_LOCK = text(
    f"""
    SELECT {_COLUMNS} FROM partners
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id
    FOR NO KEY UPDATE
    """  # noqa: S608 - constants
)
_INSERT_SECRET = text(
    """
    INSERT INTO secrets (secret_id, tenant_id, partner_id, sealed_secret, created_at, created_by)
    VALUES (:secret_id, :tenant_id, :partner_id, :sealed_secret, :created_at, :created_by)
    """
)
_CHANNELS = text(
    """
    SELECT tenant_id, partner_id, channel FROM partners
    JOIN unnest(CAST(:tenant_ids AS uuid[]), CAST(:partner_ids AS uuid[]))
         AS named (tenant_id, partner_id) USING (tenant_id, partner_id)
    """
)
# A callback comes without a token: the partner's id alone says whose it is, and the signature,
# checked next, that it is so. The partner's row leads to the tenant, by which secrets are indexed.
_SECRETS_OF_UNKNOWN_TENANT = text(
    """
    SELECT tenant_id, sealed_secret FROM partners JOIN secrets USING (tenant_id, partner_id)
    WHERE partners.partner_id = :partner_id
    ORDER BY secret_id
    """
)


async def insert_partner(connection: AsyncConnection, partner: Partner) -> None:
    """Store a new partner."""
    await connection.execute(_INSERT, asdict(partner))


async def update_partner(connection: AsyncConnection, partner: Partner) -> None:
    """Store a changed partner; the caller holds its row."""
    await connection.execute(_UPDATE, asdict(partner))


async def lock_partner(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID
) -> Partner | None:
    """Return a tenant's partner and keep others from changing it until the transaction ends."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id}
    row = (await connection.execute(_LOCK, parameters)).one_or_none()
    return None if row is None else _partner(row)


async def insert_secret(
    connection: AsyncConnection,
    partner: Partner,
    secret_id: UUID,
    sealed_secret: bytes,
    created_at: datetime,
    created_by: str,
) -> None:
    """Store a new secret of a partner."""
    parameters = {
        "secret_id": secret_id,
        "tenant_id": partner.tenant_id,
        "partner_id": partner.partner_id,
        "sealed_secret": sealed_secret,
        "created_at": created_at,
        "created_by": created_by,
    }
    await connection.execute(_INSERT_SECRET, parameters)


async def channels(
    connection: AsyncConnection, partners: Collection[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], Channel]:
    """Return the channel of each of those pairs of tenant and partner that is set up."""
    tenant_ids, partner_ids = (list(column) for column in zip(*sorted(partners), strict=True))
    parameters = {"tenant_ids": tenant_ids, "partner_ids": partner_ids}
    rows = await connection.execute(_CHANNELS, parameters)
    return {(row.tenant_id, row.partner_id): Channel(row.channel) for row in rows}


async def secrets_for_callback(
    connection: AsyncConnection, partner_id: UUID
) -> Sequence[tuple[UUID, bytes]]:
    """Return the tenant and the sealed secrets of whoever a callback says it comes from."""
    rows = await connection.execute(_SECRETS_OF_UNKNOWN_TENANT, {"partner_id": partner_id})
    return [(row.tenant_id, row.sealed_secret) for row in rows]


def _partner(row: Any) -> Partner:
    """Return the partner in a row that has all the columns of the table."""
    columns = row._asdict()
    columns["channel"] = Channel(columns["channel"])
    columns["status"] = Status(columns["status"])
    columns["api"] = Api(columns["api"])
    return Partner(**columns)
