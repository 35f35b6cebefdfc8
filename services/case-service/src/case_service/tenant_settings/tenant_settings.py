"""The settings of a tenant, and where they are kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import tables
from case_service.payments.allocation import AllocationOrder
from kit.clock import now


class ResidualOnClosing(StrEnum):
    """What becomes of an amount that is still open when a case closes (R25)."""

    STAYS_OPEN = "STAYS_OPEN"
    WRITTEN_OFF = "WRITTEN_OFF"


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What a tenant wants of its cases; as it is here for a tenant that said nothing."""

    residual_on_closing: ResidualOnClosing = ResidualOnClosing.STAYS_OPEN
    allocation_order: AllocationOrder = AllocationOrder.OLDEST_FIRST
    version: int = 0
    """Grows with each change."""

    @property
    def writes_off(self) -> bool:
        """Say whether closing gives up what is still open."""
        return self.residual_on_closing is ResidualOnClosing.WRITTEN_OFF


AS_GIVEN = TenantSettings()


async def settings_of(
    connection: AsyncConnection, tenant_ids: Iterable[UUID]
) -> dict[UUID, TenantSettings]:
    """Return what each of the tenants wants."""
    wanted = set(tenant_ids)
    rows = await connection.execute(
        select(tables.tenant_settings).where(tables.tenant_settings.c.tenant_id.in_(wanted))
    )
    said = {
        row.tenant_id: TenantSettings(
            ResidualOnClosing(row.residual_on_closing),
            AllocationOrder(row.allocation_order),
            row.version,
        )
        for row in rows
    }
    return {tenant_id: said.get(tenant_id, AS_GIVEN) for tenant_id in wanted}


async def lock_tenant_settings(connection: AsyncConnection, tenant_id: UUID) -> TenantSettings:
    """Return what a tenant wants, and keep others from changing it."""
    await connection.execute(
        insert(tables.tenant_settings)
        .values(_row(tenant_id, AS_GIVEN, changed_by=""))
        .on_conflict_do_nothing()
    )
    await connection.execute(
        select(tables.tenant_settings.c.version)
        .where(tables.tenant_settings.c.tenant_id == tenant_id)
        .with_for_update()
    )
    return (await settings_of(connection, [tenant_id]))[tenant_id]


async def save_tenant_settings(
    connection: AsyncConnection, tenant_id: UUID, settings: TenantSettings, changed_by: str
) -> None:
    """Save a tenant's settings, and who changed them."""
    values = _row(tenant_id, settings, changed_by)
    await connection.execute(
        insert(tables.tenant_settings)
        .values(values)
        .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
    )


def _row(tenant_id: UUID, settings: TenantSettings, changed_by: str) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "version": settings.version,
        "residual_on_closing": settings.residual_on_closing,
        "allocation_order": settings.allocation_order,
        "changed_at": now(),
        "changed_by": changed_by,
    }
