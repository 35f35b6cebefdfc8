"""HTTP: what a tenant wants of its runs."""

from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from fastapi import APIRouter, Request, Response
from pydantic import Field, StrictBool, field_validator
from pydantic_core import PydanticCustomError

from contracts import Money
from kit.auth import Principal, requires
from kit.http import Body, CurrentContext, check_if_match, etag
from run_service.resources import Resource
from run_service.tenant_settings.change_settings import change_settings
from run_service.tenant_settings.tenant_settings import TenantSettings, find_tenant_settings

router = APIRouter(prefix="/v1/settings", tags=["settings"])

Kind = Annotated[str, Field(pattern=r"^[A-Z][A-Z_]{0,39}$")]


@cache
def _time_zones() -> frozenset[str]:
    """Return the zones of places, and UTC: `localtime` would be another one on each machine."""
    return frozenset(name for name in available_timezones() if "/" in name) | {"UTC"}


class SettingsOrder(Body):
    """What a tenant wants of its runs; all of it, what is not named gets its default."""

    minimum_amounts: Annotated[list[Money], Field(max_length=50, default_factory=list)]
    """One for each currency: a member who owes less is not handed over."""
    excluded_kinds: Annotated[list[Kind], Field(max_length=50, default_factory=list)]
    """Kinds of claims that are never handed over, such as SALE."""
    disputed_claims_hold_member: StrictBool = False
    """Whether one disputed claim keeps all claims of a member out of collection."""
    time_zone: Annotated[str, Field(max_length=64)] | None = None
    """IANA time zone of the tenant's days, such as Europe/Berlin; null means the service's."""

    @field_validator("minimum_amounts")
    @classmethod
    def _one_for_each_currency(cls, amounts: list[Money]) -> list[Money]:
        if len({money.currency for money in amounts}) < len(amounts):
            raise PydanticCustomError("currencies", "Must name each currency once")
        return amounts

    @field_validator("time_zone")
    @classmethod
    def _known_time_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in _time_zones():
            raise PydanticCustomError("time_zone", "There is no time zone of this name")
        return name


class Settings(Resource):
    """What a tenant wants of its runs."""

    minimum_amounts: tuple[Money, ...]
    """A member who owes less is not handed over; sorted by currency."""
    excluded_kinds: tuple[str, ...]
    """Kinds of claims that are never handed over."""
    disputed_claims_hold_member: bool
    """Whether one disputed claim keeps all claims of a member out of collection."""
    time_zone: str
    """IANA time zone of the tenant's days."""


@router.get("")
async def get_settings(
    context: CurrentContext,
    principal: Annotated[Principal, requires("collection:read")],
    response: Response,
) -> Settings:
    """Return what the tenant wants of its runs; the `ETag` names the version."""
    async with context.database.connect() as connection:
        found = await find_tenant_settings(connection, principal.tenant_id)
    return _render(found, context.settings.time_zone, response)


@router.put("")
async def put_settings(
    context: CurrentContext,
    principal: Annotated[Principal, requires("collection:manage")],
    request: Request,
    response: Response,
    order: SettingsOrder,
) -> Settings:
    """Change what the tenant wants of its runs, unless `If-Match` names another version."""
    wanted = TenantSettings(
        minimum_amounts={money.currency: money.amount for money in order.minimum_amounts},
        excluded_kinds=tuple(sorted(set(order.excluded_kinds))),
        disputed_claims_hold_member=order.disputed_claims_hold_member,
        time_zone=order.time_zone,
    )
    async with context.database.begin() as connection:
        changed = await change_settings(
            connection, principal, wanted, lambda version: check_if_match(request, version)
        )
    return _render(changed, context.settings.time_zone, response)


def _render(settings: TenantSettings, default_time_zone: str, response: Response) -> Settings:
    response.headers["ETag"] = etag(settings.version)
    return Settings(
        minimum_amounts=tuple(
            Money(amount=amount, currency=currency)
            for currency, amount in sorted(settings.minimum_amounts.items())
        ),
        excluded_kinds=settings.excluded_kinds,
        disputed_claims_hold_member=settings.disputed_claims_hold_member,
        time_zone=settings.time_zone or default_time_zone,
    )
