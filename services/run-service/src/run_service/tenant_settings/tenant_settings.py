"""The settings of a tenant, and where they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from run_service import tables


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What a tenant wants of its runs; as it is here for a tenant that said nothing."""

    minimum_amounts: Mapping[str, Decimal] = field(default_factory=dict)
    """By currency: whoever owes less is no candidate (R1)."""
    excluded_kinds: tuple[str, ...] = ()
    """Kinds of claims that are never handed over."""
    disputed_claims_hold_member: bool = False
    """Whether one disputed claim keeps all of a member's claims out of collection."""
    time_zone: str | None = None
    """IANA time zone of the tenant's days; none means the service's."""
    version: int = 0
    """Grows with each change."""


async def find_tenant_settings(
    connection: AsyncConnection, tenant_id: UUID, *, lock: bool = False
) -> TenantSettings:
    """Return a tenant's settings; locked, so that changes follow each other."""
    statement = select(tables.tenant_settings).where(
        tables.tenant_settings.c.tenant_id == tenant_id
    )
    row = (
        await connection.execute(statement.with_for_update() if lock else statement)
    ).one_or_none()
    if row is None:
        return TenantSettings()
    return TenantSettings(
        minimum_amounts={
            currency: Decimal(amount) for currency, amount in row.minimum_amounts.items()
        },
        excluded_kinds=tuple(row.excluded_kinds),
        disputed_claims_hold_member=row.disputed_claims_hold_member,
        time_zone=row.time_zone,
        version=row.version,
    )


async def save_tenant_settings(
    connection: AsyncConnection, tenant_id: UUID, settings: TenantSettings, changed_by: str
) -> None:
    """Save a tenant's settings, and who changed them."""
    values = {
        "version": settings.version,
        "minimum_amounts": {
            currency: str(amount) for currency, amount in settings.minimum_amounts.items()
        },
        "excluded_kinds": list(settings.excluded_kinds),
        "disputed_claims_hold_member": settings.disputed_claims_hold_member,
        "time_zone": settings.time_zone,
        "changed_at": now(),
        "changed_by": changed_by,
    }
    await connection.execute(
        insert(tables.tenant_settings)
        .values(tenant_id=tenant_id, **values)
        .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
    )
