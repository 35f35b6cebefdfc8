"""Staff say how payments are spread and what closing does; it counts from then on."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.problems import ALL_STUDIOS_NEEDED
from case_service.tenant_settings.tenant_settings import (
    TenantSettings,
    lock_tenant_settings,
    save_tenant_settings,
)
from kit.auth import Principal
from kit.problems import problem


async def change_settings(
    connection: AsyncConnection,
    principal: Principal,
    wanted: TenantSettings,
    check_version: Callable[[int], None],
) -> TenantSettings:
    """Save what a tenant wants of its cases, and return it with its new version.

    `check_version` raises when the version that is there is not the one that was looked at.
    Raises the 403 for a caller who may see some studios only: the settings count for all.
    """
    if principal.studio_ids is not None:
        raise problem(ALL_STUDIOS_NEEDED)
    known = await lock_tenant_settings(connection, principal.tenant_id)
    check_version(known.version)
    changed = replace(wanted, version=known.version + 1)
    await save_tenant_settings(connection, principal.tenant_id, changed, principal.subject)
    return changed
