"""What the API takes and gives of runs."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import field_validator
from pydantic_core import PydanticCustomError

from contracts import Money
from contracts.parts import Channel, LongText, Name, Trigger
from kit.http import Body
from run_service.resources import Resource
from run_service.runs.run import CaseStatus, RunStatus


class RunOrder(Body):
    """Makes a run of a preview."""

    preview_id: UUID
    leave_out_changed: bool = False
    """Go on without the members whose claims have changed since the preview."""


class HandoverOrder(Body):
    """Hands one member over (R9)."""

    member_id: UUID
    partner_id: UUID
    fee: Money | None = None
    """A flat fee for the handover; it becomes a claim of its own, in the currency of the others."""
    fee_designation: Name = "Flat fee"
    """What the fee is called in the handover."""
    reason: LongText | None = None
    """Why; needed for a minor without a legal guardian."""

    @field_validator("fee")
    @classmethod
    def _above_zero(cls, fee: Money | None) -> Money | None:
        if fee is not None and fee.amount <= 0:
            raise PydanticCustomError("fee", "Must be above zero")
        return fee


class Run(Resource):
    """A run. Numbers count members; they and the totals are of the studios that one may see."""

    run_id: UUID
    booking_number: str
    status: RunStatus
    trigger: Trigger
    partner_id: UUID
    partner_name: str
    partner_channel: Channel
    members: int
    claims: int
    totals: tuple[Money, ...]
    """What was handed over: one sum for each currency."""
    published: int
    """Handed over to the services that open their cases."""
    answered: int
    """Taken, refused, or ended before there was an answer."""
    accepted: int
    rejected: int
    ended: int
    """Whose case has ended."""
    collection_date: date
    created_at: datetime
    created_by: str
    handed_over_at: datetime | None
    rejected_at: datetime | None
    reversal_requested_at: datetime | None
    reversed_at: datetime | None


class RejectionReason(Resource):
    """Why the partner refused members."""

    reason_code: str
    members: int


class RunDetails(Run):
    """A run, and why the partner refused what it refused."""

    rejection_reasons: tuple[RejectionReason, ...]
    """Most frequent first (R8)."""


class RunMember(Resource):
    """A member of a run (R6)."""

    member_id: UUID
    case_id: UUID
    booking_number: int
    """Number within the run, from 1 on."""
    studio_id: UUID
    membership_number: str
    name: str
    open: Money
    """What is open now on the claims that were handed over."""
    case_status: CaseStatus
    reason_code: str | None


class RunStudio(Resource):
    """A studio's part of a run (R7)."""

    studio_id: UUID
    name: str
    members: int
    claims: int
    totals: tuple[Money, ...]
    answered: int
    accepted: int
    rejected: int
    ended: int


class LegalDuty(Resource):
    """What who reverses a run must know, in both languages of the pages."""

    de: str
    en: str


class ReversalOutlook(Resource):
    """What reversing a run would do (R10)."""

    run_id: UUID
    status: RunStatus
    cases_not_ended: int
    """Cases that would be closed in the status they have."""
    reversal_requested_at: datetime | None
    legal_duty: LegalDuty


class ReversalOrder(Body):
    """Orders that a run be reversed."""

    confirmed: Literal[True]
    """That the legal duty to inform the partner was read."""
    reason: LongText
    """Why. Is published to other services: names nobody."""
