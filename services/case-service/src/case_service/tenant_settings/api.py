"""HTTP: what a tenant wants of its cases."""

from typing import Annotated

from fastapi import APIRouter, Request, Response

from case_service.payments.allocation import AllocationOrder
from case_service.tenant_settings.change_settings import change_settings
from case_service.tenant_settings.tenant_settings import (
    ResidualOnClosing,
    TenantSettings,
    settings_of,
)
from case_service.views import View
from kit.auth import Principal, requires
from kit.http import Body, CurrentContext, check_if_match, etag

router = APIRouter(prefix="/v1/settings", tags=["settings"])


class SettingsOrder(Body):
    """What a tenant wants of its cases; all of it, what is not named gets its default."""

    residual_on_closing: ResidualOnClosing = ResidualOnClosing.STAYS_OPEN
    """What becomes of an amount that is still open when a case closes."""
    allocation_order: AllocationOrder = AllocationOrder.OLDEST_FIRST
    """Which claims a payment goes to first when no shares are given."""


class Settings(View):
    """What a tenant wants of its cases."""

    residual_on_closing: ResidualOnClosing
    """What becomes of an amount that is still open when a case closes."""
    allocation_order: AllocationOrder
    """Which claims a payment goes to first when no shares are given."""


@router.get("")
async def get_settings(
    context: CurrentContext,
    principal: Annotated[Principal, requires("collection:read")],
    response: Response,
) -> Settings:
    """Return what the tenant wants of its cases; the `ETag` names the version."""
    async with context.database.connect() as connection:
        found = await settings_of(connection, [principal.tenant_id])
    return _render(found[principal.tenant_id], response)


@router.put("")
async def put_settings(
    context: CurrentContext,
    principal: Annotated[Principal, requires("collection:manage")],
    request: Request,
    response: Response,
    order: SettingsOrder,
) -> Settings:
    """Change what the tenant wants of its cases, unless `If-Match` names another version."""
    wanted = TenantSettings(order.residual_on_closing, order.allocation_order)
    async with context.database.begin() as connection:
        changed = await change_settings(
            connection, principal, wanted, lambda version: check_if_match(request, version)
        )
    return _render(changed, response)


def _render(settings: TenantSettings, response: Response) -> Settings:
    response.headers["ETag"] = etag(settings.version)
    return Settings(
        residual_on_closing=settings.residual_on_closing,
        allocation_order=settings.allocation_order,
    )
