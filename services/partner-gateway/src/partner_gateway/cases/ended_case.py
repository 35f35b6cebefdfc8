"""What the gateway keeps of the end of a case."""

from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from contracts import CaseCancelledV1, CaseClosedV1

StopReason = Literal["CASE_CANCELLED", "RUN_REVERSED"]
"""Why a partner must stop: the case alone was taken back, or the whole run that it came with."""


class EndedCase(NamedTuple):
    """A case that has ended on our side."""

    case_id: UUID
    partner_id: UUID
    run_id: UUID
    member_id: UUID
    studio_id: UUID
    ended_at: datetime
    stop_reason: StopReason | None
    """Why its partner must stop; None when it was completed: its partner knows or need not."""


def closed_case(event: CaseClosedV1) -> EndedCase:
    """Return what is kept of a case that was closed."""
    return _ended_case(event, "RUN_REVERSED" if event.reason == "RUN_REVERSED" else None)


def cancelled_case(event: CaseCancelledV1) -> EndedCase:
    """Return what is kept of a case that was cancelled."""
    return _ended_case(event, "CASE_CANCELLED")


def _ended_case(event: CaseClosedV1 | CaseCancelledV1, stop_reason: StopReason | None) -> EndedCase:
    return EndedCase(
        event.case_id,
        event.partner_id,
        event.run_id,
        event.member_id,
        event.studio_id,
        event.occurred_at,
        stop_reason,
    )
