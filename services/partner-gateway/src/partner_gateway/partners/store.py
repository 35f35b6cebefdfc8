"""All SQL about partners and their secrets."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.adapters import Api
from partner_gateway.partners.contact import Contact
from partner_gateway.partners.partner import Channel, Partner, Status

IS_VALID: Final = "(secrets.ends_at IS NULL OR secrets.ends_at > now())"
"""Whether a secret may be used."""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret as it is stored."""

    secret_id: UUID
    sealed_secret: bytes
    secret_key_id: str
    """Of the key that seals it."""
    created_at: datetime
    created_by: str


_COLUMNS = """partner_id, tenant_id, sequence, name, channel, status, api, base_url,
              sealed_api_token, api_token_key_id, file_number_pattern, contact, created_at,
              created_by, changed_at, changed_by"""

_INSERT = text(
    f"""
    INSERT INTO partners ({_COLUMNS})
    VALUES (:partner_id, :tenant_id, :sequence, :name, :channel, :status, :api, :base_url,
            :sealed_api_token, :api_token_key_id, :file_number_pattern, CAST(:contact AS jsonb),
            :created_at, :created_by, :changed_at, :changed_by)
    """  # noqa: S608 - constants
)
_UPDATE = text(
    """
    UPDATE partners
    SET sequence = :sequence, name = :name, status = :status, base_url = :base_url,
        sealed_api_token = :sealed_api_token, api_token_key_id = :api_token_key_id,
        file_number_pattern = :file_number_pattern, contact = CAST(:contact AS jsonb),
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
    INSERT INTO secrets (secret_id, tenant_id, partner_id, sealed_secret, secret_key_id,
                         created_at, created_by)
    VALUES (:secret_id, :tenant_id, :partner_id, :sealed_secret, :secret_key_id,
            :created_at, :created_by)
    """
)
# In the order in which `reencrypt` takes them, so that nobody waits for each other.
_LOCK_VALID_SECRETS = text(
    f"""
    SELECT secret_id, ends_at FROM secrets
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND {IS_VALID}
    ORDER BY secret_id
    FOR NO KEY UPDATE
    """  # noqa: S608 - a constant
)
_LET_SECRETS_END = text(
    """
    UPDATE secrets SET ends_at = :ends_at, ended_by = :ended_by
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id
      AND (ends_at IS NULL OR ends_at > :ends_at)
    """
)
_HAS_ENDED = text(
    """
    SELECT EXISTS (SELECT FROM ended_secrets
                   WHERE tenant_id = :tenant_id AND partner_id = :partner_id
                     AND secret_id = :secret_id)
        OR EXISTS (SELECT FROM secrets
                   WHERE tenant_id = :tenant_id AND partner_id = :partner_id
                     AND secret_id = :secret_id AND ends_at <= now())
    """
)
_END_SECRET = text(
    """
    WITH ended AS (
        DELETE FROM secrets
        WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND secret_id = :secret_id
        RETURNING secret_id, tenant_id, partner_id, created_at, created_by
    )
    INSERT INTO ended_secrets (secret_id, tenant_id, partner_id, created_at, created_by,
                               ended_at, ended_by)
    SELECT ended.*, :ended_at, :ended_by FROM ended
    """
)
_RECORD_ENDED_SECRETS = text(
    """
    WITH ended AS (
        DELETE FROM secrets WHERE ends_at <= now()
        RETURNING secret_id, tenant_id, partner_id, created_at, created_by, ends_at, ended_by
    )
    INSERT INTO ended_secrets (secret_id, tenant_id, partner_id, created_at, created_by,
                               ended_at, ended_by)
    SELECT * FROM ended
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
_SIGNERS = text(
    f"""
    SELECT tenant_id, partner_id, api, array_agg(sealed_secret ORDER BY secret_id) AS sealed_secrets
    FROM partners JOIN secrets USING (tenant_id, partner_id)
    WHERE partners.partner_id = ANY (CAST(:partner_ids AS uuid[]))
      AND {IS_VALID}
    GROUP BY tenant_id, partner_id, api
    """  # noqa: S608 - constants
)


@dataclass(frozen=True, slots=True)
class Signer:
    """What is needed to check that a partner signed something."""

    tenant_id: UUID
    api: Api
    sealed_secrets: Sequence[bytes]
    """Those that are valid now; one at least."""


async def insert_partner(connection: AsyncConnection, partner: Partner) -> None:
    """Store a new partner."""
    await connection.execute(_INSERT, _values(partner))


async def update_partner(connection: AsyncConnection, partner: Partner) -> None:
    """Store a changed partner; the caller holds its row."""
    await connection.execute(_UPDATE, _values(partner))


async def lock_partner(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID
) -> Partner | None:
    """Return a tenant's partner and keep others from changing it until the transaction ends."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id}
    row = (await connection.execute(_LOCK, parameters)).one_or_none()
    return None if row is None else _partner(row)


async def insert_secret(
    connection: AsyncConnection, partner: Partner, secret: SealedSecret
) -> None:
    """Store a new secret of a partner."""
    await connection.execute(_INSERT_SECRET, {**_key(partner), **asdict(secret)})


async def lock_valid_secrets(
    connection: AsyncConnection, partner: Partner
) -> dict[UUID, datetime | None]:
    """Return the ids of the secrets that a partner may use now, each with its end if it has one."""
    rows = await connection.execute(_LOCK_VALID_SECRETS, _key(partner))
    return {row.secret_id: row.ends_at for row in rows}


async def let_secrets_end(
    connection: AsyncConnection, partner: Partner, ends_at: datetime, ended_by: str
) -> None:
    """Let all secrets that a partner has now end then; one that ends before keeps its time."""
    parameters = {**_key(partner), "ends_at": ends_at, "ended_by": ended_by}
    await connection.execute(_LET_SECRETS_END, parameters)


async def has_ended(connection: AsyncConnection, partner: Partner, secret_id: UUID) -> bool:
    """Say whether a partner had this secret and may not use it any more."""
    parameters = {**_key(partner), "secret_id": secret_id}
    return bool(await connection.scalar(_HAS_ENDED, parameters))


async def end_secret(
    connection: AsyncConnection,
    partner: Partner,
    secret_id: UUID,
    ended_at: datetime,
    ended_by: str,
) -> None:
    """Delete a secret and keep the record of it."""
    parameters = {"secret_id": secret_id, "ended_at": ended_at, "ended_by": ended_by}
    await connection.execute(_END_SECRET, {**_key(partner), **parameters})


async def record_ended_secrets(connection: AsyncConnection) -> None:
    """Delete the secrets of all tenants whose time is over, and keep the record of them."""
    await connection.execute(_RECORD_ENDED_SECRETS)


async def channels(
    connection: AsyncConnection, partners: Sequence[tuple[UUID, UUID]]
) -> list[Channel | None]:
    """Return the channel of each of those pairs of tenant and partner; None: it is not set up.

    Few of thousands differ. They are told apart by their numbers: to compare ids is Python code.
    """
    keys = [(tenant_id.int, partner_id.int) for tenant_id, partner_id in partners]
    named = sorted(dict(zip(keys, partners, strict=True)).values())
    parameters = {
        "tenant_ids": [tenant_id for tenant_id, _ in named],
        "partner_ids": [partner_id for _, partner_id in named],
    }
    rows = await connection.execute(_CHANNELS, parameters)
    known = {(row.tenant_id.int, row.partner_id.int): Channel(row.channel) for row in rows}
    return [known.get(key) for key in keys]


async def signers(connection: AsyncConnection, partner_ids: Collection[UUID]) -> dict[UUID, Signer]:
    """Return those of the partners that can sign anything, of whatever tenant, by their ids."""
    rows = await connection.execute(_SIGNERS, {"partner_ids": list(partner_ids)})
    return {row.partner_id: Signer(row.tenant_id, Api(row.api), row.sealed_secrets) for row in rows}


def _key(partner: Partner) -> dict[str, UUID]:
    return {"tenant_id": partner.tenant_id, "partner_id": partner.partner_id}


def _values(partner: Partner) -> dict[str, Any]:
    contact = partner.contact and partner.contact.model_dump_json(exclude_none=True)
    return {**asdict(partner), "contact": contact}


def _partner(row: Any) -> Partner:
    """Return the partner in a row that has all the columns of the table."""
    columns = row._asdict()
    columns["channel"] = Channel(columns["channel"])
    columns["status"] = Status(columns["status"])
    columns["api"] = Api(columns["api"])
    if columns["contact"] is not None:
        columns["contact"] = Contact.model_validate(columns["contact"])
    return Partner(**columns)
