"""What the HTTP interface shows of the last audit."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from case_service.views import View


class AuditDifference(View):
    """Something that was kept or published otherwise than the ledger says."""

    case_id: UUID
    what: str
    """What it is of the case: a balance, a claim, a payment, an event."""
    kept: str | None
    """As it was kept or published."""
    recomputed: str | None
    """As it should be by the ledger."""


class AuditResult(View):
    """What the last audit found of the caller's tenant."""

    started_at: datetime
    finished_at: datetime
    outcome: Literal["CLEAN", "DIFFERENCES"]
    differences: list[AuditDifference]
    """The first 1,000; the audit itself prints all."""
