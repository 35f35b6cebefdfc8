"""What the API shows of partners: never a secret, never a token."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.adapters import Api
from partner_gateway.partners.contact import Contact
from partner_gateway.partners.partner import Channel, Status
from partner_gateway.partners.store import IS_VALID


class SecretView(BaseModel):
    """A secret, without its text."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    secret_id: UUID
    created_at: datetime
    created_by: str
    ends_at: datetime | None
    """From then on nothing is signed with it, and nothing that it signed is taken; null: never."""


class PartnerView(BaseModel):
    """A partner."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)

    partner_id: UUID
    name: str
    channel: Channel
    status: Status
    api: Api | None
    """The kind of its API; null for a partner by hand."""
    base_url: str | None
    has_api_token: bool
    """Whether requests to the partner carry a bearer token."""
    file_number_pattern: str | None
    contact: Contact | None
    """Whom staff reach at the partner."""
    secrets: list[SecretView]
    """What callbacks may be signed with; all of them are valid. Ended ones are not shown."""
    sequence: int
    """Grows with each change; the ETag."""
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str


_SELECT = f"""
    SELECT partner_id, name, channel, status, base_url, file_number_pattern, contact, sequence,
           created_at, created_by, changed_at, changed_by,
           CASE WHEN channel = 'API' THEN api END AS api,
           sealed_api_token IS NOT NULL AS has_api_token,
           (SELECT coalesce(json_agg(json_build_object('secret_id', secret_id,
                                                       'created_at', secrets.created_at,
                                                       'created_by', secrets.created_by,
                                                       'ends_at', ends_at)
                                     ORDER BY secret_id), '[]')
            FROM secrets
            WHERE secrets.tenant_id = partners.tenant_id
              AND secrets.partner_id = partners.partner_id AND {IS_VALID}) AS secrets
    FROM partners
    WHERE tenant_id = :tenant_id
"""  # noqa: S608 - a constant
_ONE = text(f"{_SELECT} AND partner_id = :partner_id")
_MANY = text(
    f"""
    {_SELECT} AND (CAST(:after AS uuid) IS NULL OR partner_id > :after)
    ORDER BY partner_id
    LIMIT :limit
    """
)


async def find_partner(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID
) -> PartnerView | None:
    """Return a tenant's partner."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id}
    row = (await connection.execute(_ONE, parameters)).one_or_none()
    return None if row is None else _view(row)


async def list_partners(
    connection: AsyncConnection, tenant_id: UUID, after: UUID | None, limit: int
) -> Sequence[PartnerView]:
    """Return a tenant's partners behind `after`, oldest first."""
    parameters = {"tenant_id": tenant_id, "after": after, "limit": limit}
    return [_view(row) for row in await connection.execute(_MANY, parameters)]


def _view(row: Any) -> PartnerView:
    return PartnerView.model_validate(row)
