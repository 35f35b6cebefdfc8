"""Set up a partner (R50)."""

from typing import Any

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.ext.asyncio import AsyncConnection

from kit import outbox
from kit.clock import now
from kit.http import Body
from kit.ids import new_id
from kit.trace import Cause
from partner_gateway.adapters import Api
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


class NewPartner(Body):
    """A partner to be set up."""

    name: PartnerName
    """How staff know it."""
    channel: Channel
    """BY_HAND: staff pass on an export. API: we call the partner."""
    api: Api = Api.STANDARD
    """The kind of the partner's API; for channel API only."""
    base_url: BaseUrl | None = Field(default=None, validate_default=True)
    """Where the partner's API is; for channel API only, and then required."""
    api_token: ApiToken | None = Field(default=None, repr=False)
    """Bearer token for the partner's API, if it wants one; never shown again."""
    file_number_pattern: Pattern | None = None
    """Regular expression that the whole of each of the partner's file numbers matches.

    In the [syntax of RE2](https://github.com/google/re2/wiki/Syntax): without look-around and
    back-references.
    """
    contact: Contact | None = Field(default=None, repr=False)
    """Whom staff reach at the partner."""

    @field_validator("base_url")
    @classmethod
    def _api_has_an_address(cls, base_url: str | None, info: ValidationInfo) -> str | None:
        if base_url is None and info.data.get("channel") is Channel.API:
            raise PydanticCustomError("base_url", "Is required for channel API")
        return base_url

    @field_validator("api", "base_url", "api_token")
    @classmethod
    def _by_hand_has_no_api(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("channel") is Channel.BY_HAND:
            raise PydanticCustomError("by_hand", "A partner by hand has no API")
        return value


async def create_partner(
    connection: AsyncConnection, new: NewPartner, seal: Seal, cause: Cause, created_by: str
) -> Partner:
    """Store the partner and publish its first snapshot."""
    created_at = now()
    partner = Partner(
        partner_id=new_id(),
        tenant_id=cause.tenant_id,
        sequence=1,
        name=new.name,
        channel=new.channel,
        status=Status.ACTIVE,
        api=new.api,
        base_url=new.base_url,
        sealed_api_token=None if new.api_token is None else seal.close(new.api_token),
        api_token_key_id=None if new.api_token is None else seal.key_id,
        file_number_pattern=new.file_number_pattern,
        contact=new.contact,
        created_at=created_at,
        created_by=created_by,
        changed_at=created_at,
        changed_by=created_by,
    )
    await store.insert_partner(connection, partner)
    await outbox.publish(connection, [(partner.snapshot(), cause)])
    return partner
