"""A notice: something that a partner must be told about a case that it holds, and whether it was.

A case has one STOP at most, and one notice for each change of each of its claims.

DUE ──> SENT ──> ACKNOWLEDGED
 │        └────> FAILED ──> ACKNOWLEDGED, when staff told the partner by hand
 │                 └──────> SENT, when staff let the partner's API be told again
 └─────────────> ACKNOWLEDGED, at a partner by hand

Whatever its status: it is overdue from the day after `due_on` until it is ACKNOWLEDGED.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple
from uuid import UUID

from pydantic_core import to_json

from contracts import (
    Event,
    NoticeAcknowledgedV1,
    NoticeDueV1,
    NoticeFailedV1,
    NoticeOverdueV1,
    NoticeSentV1,
)
from kit.outbox import WrittenEvent
from kit.trace import Cause
from partner_gateway.cases.ended_case import StopReason
from partner_gateway.notices.claim_change import ClaimChange

Kind = Literal["STOP", "STUDIO_PAYMENT", "CLAIM_CHANGED"]


class Status(StrEnum):
    """How far a notice has come."""

    DUE = "DUE"
    SENT = "SENT"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    FAILED = "FAILED"


class CaseNotice(NamedTuple):
    """A notice about one case."""

    notice_id: UUID
    partner_id: UUID
    case_id: UUID
    run_id: UUID
    member_id: UUID
    studio_id: UUID
    kind: Kind
    status: Status
    due_on: date
    request_id: UUID | None
    """The delivery that tells an API partner; None for a partner by hand."""
    cause: Cause
    claim_change: ClaimChange | None = None
    """What a new notice says of a claim; None for a STOP."""
    reason: StopReason | None = None
    """What a new STOP says; None for another kind."""

    @property
    def is_ticked_off_by_staff(self) -> bool:
        """Whether it is on staff to tell the partner: no API does it, or the API refused it."""
        return self.request_id is None or self.status is Status.FAILED

    def due(self, occurred_at: datetime) -> WrittenEvent:
        """Say that the partner must be told, as the contract's model writes it."""
        payload = to_json({**self._about(occurred_at), "due_on": self.due_on})
        return WrittenEvent(NoticeDueV1, str(self.case_id), payload)

    def sent(self, occurred_at: datetime, attempt: int) -> Event:
        """Say that a try was made."""
        return NoticeSentV1(**self._about(occurred_at), attempt=attempt)

    def acknowledged(self, occurred_at: datetime, by: Literal["PARTNER", "STAFF"]) -> Event:
        """Say that the partner knows."""
        return NoticeAcknowledgedV1(**self._about(occurred_at), acknowledged_by=by)

    def failed(self, occurred_at: datetime, reason_code: str) -> Event:
        """Say that the partner's API refuses it for good."""
        return NoticeFailedV1(**self._about(occurred_at), reason_code=reason_code)

    def overdue(self, occurred_at: datetime) -> Event:
        """Say that the day has passed by which the partner should know."""
        return NoticeOverdueV1(**self._about(occurred_at), due_on=self.due_on)

    def _about(self, occurred_at: datetime) -> dict[str, Any]:
        return {
            "notice_id": self.notice_id,
            "case_id": self.case_id,
            "run_id": self.run_id,
            "member_id": self.member_id,
            "partner_id": self.partner_id,
            "kind": self.kind,
            "occurred_at": occurred_at,
        }
