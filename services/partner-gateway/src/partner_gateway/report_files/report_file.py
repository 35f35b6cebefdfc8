"""A report file on its way, as workers and verbs see it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kit.trace import Cause
from partner_gateway.adapters import POLLED, Api
from partner_gateway.report_files.kinds import Status
from partner_gateway.report_files.report_format import OWN_FORMAT, ReportFormat


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A file of a partner."""

    tenant_id: UUID
    report_file_id: UUID
    partner_id: UUID
    status: Status
    format: ReportFormat | None
    """What the partner had set up when the file came; None: our own."""
    api: Api | None
    """The kind of API that the partner has; None: it is one by hand."""
    bad: int
    last_row_read: int
    last_row_applied: int
    correlation_id: str | None
    traceparent: str | None

    @property
    def key(self) -> dict[str, Any]:
        """What names the file in a statement."""
        return {"tenant_id": self.tenant_id, "report_file_id": self.report_file_id}

    @property
    def by_hand(self) -> bool:
        """Whether the partner is one by hand."""
        return self.api is None

    @property
    def is_polled(self) -> bool:
        """Whether payments at the partner follow from balances for which it is asked."""
        return self.api in POLLED

    @property
    def own_format(self) -> bool:
        """Whether the file is to be in our own format."""
        return self.format is None

    @property
    def used_format(self) -> ReportFormat:
        """The format in which it is to be read."""
        return self.format or OWN_FORMAT

    @property
    def cause(self) -> Cause:
        """What its reports stem from: the order to apply it."""
        assert self.correlation_id is not None, "it was noted with the order"
        return Cause(self.tenant_id, self.correlation_id, self.traceparent)
