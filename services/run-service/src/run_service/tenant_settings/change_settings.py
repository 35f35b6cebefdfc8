"""Staff say what their runs are to hold; it counts for all that is looked at from then on."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal
from kit.problems import problem
from run_service.candidates.recount import own_settings, recount_all
from run_service.problems import ALL_STUDIOS_NEEDED
from run_service.tenant_settings.tenant_settings import (
    TenantSettings,
    find_tenant_settings,
    save_tenant_settings,
)


async def change_settings(
    connection: AsyncConnection,
    principal: Principal,
    wanted: TenantSettings,
    check_version: Callable[[int], None],
) -> TenantSettings:
    """Save what a tenant wants of its runs, and return it with its new version.

    `check_version` raises when the version that is there is not the one that was looked at.
    Raises the 403 for a caller who may see some studios only: the settings count for all.
    """
    if principal.studio_ids is not None:
        raise problem(ALL_STUDIOS_NEEDED)
    await own_settings(connection, principal.tenant_id)
    known = await find_tenant_settings(connection, principal.tenant_id, lock=True)
    check_version(known.version)
    changed = replace(wanted, version=known.version + 1)
    await save_tenant_settings(connection, principal.tenant_id, changed, principal.subject)
    if set(changed.excluded_kinds) != set(known.excluded_kinds):
        await recount_all(connection, principal.tenant_id)
    return changed
