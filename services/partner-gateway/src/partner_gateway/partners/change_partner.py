"""Change how a partner is called and reached, and whether it is paused (R50)."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.ext.asyncio import AsyncConnection

from kit import outbox
from kit.clock import now
from kit.http import Body
from kit.problems import unprocessable
from kit.trace import Cause
from partner_gateway.partners import store
from partner_gateway.partners.contact import Contact
from partner_gateway.partners.partner import (
    ApiToken,
    BaseUrl,
    Channel,
    Partner,
    PartnerName,
    Pattern,
    Status,
)
from partner_gateway.sealing import Seal


class PartnerChange(Body):
    """What is to be different; what is left out stays, null takes away what may be missing."""

    name: PartnerName | None = None
    """How staff know it."""
    status: Status | None = None
    """PAUSED: no new run may go to it, and nothing is sent to it or asked of it until it is ACTIVE
    again. What it calls back is taken all the same."""
    base_url: BaseUrl | None = None
    """Where the partner's API is."""
    api_token: ApiToken | None = Field(default=None, repr=False)
    """Bearer token for the partner's API; never shown again."""
    file_number_pattern: Pattern | None = None
    """Regular expression that the whole of each of the partner's file numbers matches.

    In the [syntax of RE2](https://github.com/google/re2/wiki/Syntax): without look-around and
    back-references.
    """
    contact: Contact | None = Field(default=None, repr=False)
    """Whom staff reach at the partner; takes the place of what was there, as a whole."""

    @field_validator("name", "status", "base_url")
    @classmethod
    def _required_stays(cls, value: Any) -> Any:
        if value is None:
            raise PydanticCustomError("required", "Must not be null")
        return value


async def change_partner(
    connection: AsyncConnection,
    partner: Partner,
    change: PartnerChange,
    seal: Seal,
    cause: Cause,
    changed_by: str,
) -> Partner:
    """Store the change of a partner whose row the caller holds, and publish its next snapshot.

    Raises the 422 for what a partner by hand does not have, and for another host without a token
    where there is one: it would go to whoever the new host belongs to, and is never shown again.
    """
    wanted = {name: getattr(change, name) for name in change.model_fields_set}
    if partner.channel is Channel.BY_HAND and wanted.keys() & {"base_url", "api_token"}:
        raise unprocessable("base_url", "A partner by hand has no API")
    _token_stays_with_its_host(partner, change)
    if "api_token" in wanted:
        token = wanted.pop("api_token")
        wanted["sealed_api_token"] = None if token is None else seal.close(token)
        wanted["api_token_key_id"] = None if token is None else seal.key_id
    changed = replace(
        partner,
        **wanted,
        sequence=partner.sequence + 1,
        changed_at=now(),
        changed_by=changed_by,
    )
    await store.update_partner(connection, changed)
    await outbox.publish(connection, [(changed.snapshot(), cause)])
    return changed


def _token_stays_with_its_host(partner: Partner, change: PartnerChange) -> None:
    if partner.sealed_api_token is None or "api_token" in change.model_fields_set:
        return
    if change.base_url and _origin(change.base_url) != _origin(partner.base_url or ""):
        raise unprocessable(
            "api_token", "The address has another host: give the token again, or null for none"
        )


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
