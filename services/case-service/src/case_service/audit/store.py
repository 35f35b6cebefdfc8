"""What the last audit found, where it is kept and read."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, desc, insert, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.audit.difference import Difference
from case_service.audit.views import AuditDifference, AuditResult
from case_service.rows import Values, insert_rows
from case_service.tables import audit_differences, audits, cases
from kit.auth import Principal
from kit.ids import new_id

KEPT: Final = 1_000
"""Differences of one tenant that are kept of an audit; all of them are printed."""


@dataclass
class Findings:
    """Collects differences to be kept: the first ones of each tenant."""

    rows: list[Values] = field(default_factory=list)
    _counts: Counter[UUID] = field(default_factory=Counter)

    def add(self, difference: Difference) -> None:
        """Take in a difference, unless it is nobody's or its tenant has enough."""
        tenant_id = difference.tenant_id
        if tenant_id is None or self._counts[tenant_id] == KEPT:
            return
        self._counts[tenant_id] += 1
        self.rows.append(
            {
                "tenant_id": tenant_id,
                "place": self._counts[tenant_id],
                "case_id": difference.case_id,
                "what": difference.what,
                "kept": difference.kept,
                "recomputed": difference.recomputed,
            }
        )


async def save_audit(
    connection: AsyncConnection, rows: Iterable[Values], started_at: datetime, finished_at: datetime
) -> None:
    """Keep what an audit found in the place of what the one before found."""
    audit_id = new_id()
    await connection.execute(delete(audits))
    await connection.execute(
        insert(audits).values(audit_id=audit_id, started_at=started_at, finished_at=finished_at)
    )
    await insert_rows(
        connection, audit_differences, [{"audit_id": audit_id, **row} for row in rows]
    )


async def last_audit(connection: AsyncConnection, principal: Principal) -> AuditResult | None:
    """Return what the last audit found of the caller's tenant, in the studios that they may see."""
    newest = select(audits).order_by(desc(audits.c.finished_at)).limit(1)
    audit = (await connection.execute(newest)).one_or_none()
    if audit is None:
        return None
    its = audit_differences.c
    own = select(audit_differences).where(
        its.tenant_id == principal.tenant_id, its.audit_id == audit.audit_id
    )
    if principal.studio_ids is not None:
        own = own.where(
            select(true())
            .where(
                cases.c.tenant_id == its.tenant_id,
                cases.c.case_id == its.case_id,
                cases.c.studio_id.in_(principal.studio_ids),
            )
            .exists()
        )
    found = (await connection.execute(own.order_by(its.place))).all()
    return AuditResult(
        started_at=audit.started_at,
        finished_at=audit.finished_at,
        outcome="DIFFERENCES" if found else "CLEAN",
        differences=[
            AuditDifference(
                case_id=row.case_id, what=row.what, kept=row.kept, recomputed=row.recomputed
            )
            for row in found
        ],
    )
