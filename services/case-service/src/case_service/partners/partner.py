"""What cases need to know of partners: their names, and how their file numbers look (R21)."""

from collections.abc import Sequence
from uuid import UUID

import re2
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.rows import given
from case_service.tables import partners
from contracts import PartnerSnapshotV1


async def keep_partners(
    connection: AsyncConnection, snapshots: Sequence[tuple[PartnerSnapshotV1, UUID]]
) -> None:
    """Keep the newest snapshot of each partner; each comes with its tenant."""
    newest = {
        (tenant_id, snapshot.partner_id): {
            "tenant_id": tenant_id,
            "partner_id": snapshot.partner_id,
            "sequence": snapshot.sequence,
            "name": snapshot.name,
            "file_number_pattern": snapshot.file_number_pattern,
        }
        for snapshot, tenant_id in sorted(snapshots, key=lambda each: each[0].sequence)
    }
    rows = [newest[key] for key in sorted(newest)]
    new = postgresql.insert(partners).from_select(list(rows[0]), select(given(partners, rows)))
    await connection.execute(
        new.on_conflict_do_update(
            index_elements=["tenant_id", "partner_id"],
            set_={name: new.excluded[name] for name in ("sequence", "name", "file_number_pattern")},
            where=new.excluded.sequence > partners.c.sequence,
        )
    )


async def takes_file_number(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, file_number: str
) -> bool:
    """Say whether a file number looks as the partner's do; any does when nothing is required.

    The pattern is the tenant's own, so it is matched in linear time (RE2); one that RE2 cannot read
    requires nothing.
    """
    pattern = await connection.scalar(
        select(partners.c.file_number_pattern).where(
            partners.c.tenant_id == tenant_id, partners.c.partner_id == partner_id
        )
    )
    if pattern is None:
        return True
    try:
        return re2.fullmatch(pattern, file_number, options=_quiet()) is not None
    except re2.error:
        return True


def _quiet() -> re2.Options:
    """Return options under which a pattern that cannot be read is not printed."""
    options = re2.Options()
    options.log_errors = False
    return options
