"""What the API takes and gives."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from contracts import Money
from contracts.parts import Channel, LongText, Name, Trigger
from kit.http import Body
from run_service.candidates.selection import LeftOut
from run_service.runs.run import CaseStatus, RunStatus


class Resource(BaseModel):
    """The base of what the API gives."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


# Candidates


class LeftOutCandidates(Resource):
    """Members that have passed the last dunning level, and are left out all the same."""

    reason: LeftOut
    members: int


class StudioCandidates(Resource):
    """A studio's members that can be handed over."""

    studio_id: UUID
    name: str
    members: int
    claims: int
    totals: tuple[Money, ...]
    """What they owe: one sum for each currency."""
    left_out: tuple[LeftOutCandidates, ...]


class CandidatesSummary(Resource):
    """Who can be handed over now (R1)."""

    members: int
    claims: int
    totals: tuple[Money, ...]
    """What they owe: one sum for each currency."""
    studios: tuple[StudioCandidates, ...]
    left_out: tuple[LeftOutCandidates, ...]


# Previews


class PreviewOrder(Body):
    """Which candidates to look at, and for which partner."""

    partner_id: UUID
    studio_ids: Annotated[list[UUID], Field(min_length=1, max_length=2000)] | None = None
    """Only members of these studios; none means all."""


class Preview(Resource):
    """What a run made of it hands over (R2). Counts and sums are of the members not left out."""

    preview_id: UUID
    partner_id: UUID
    partner_name: str
    members: int
    claims: int
    totals: tuple[Money, ...]
    minors_left_out: int
    """Minors without a legal guardian that are left out."""
    left_out: int
    """All members that are left out."""
    created_at: datetime
    expires_at: datetime
    run_id: UUID | None
    """The run that was made of it."""


class PreviewClaim(Resource):
    """A claim in a preview."""

    claim_id: UUID
    to_collect: Money
    due_date: date
    designation: str


class PreviewMember(Resource):
    """A member in a preview."""

    member_id: UUID
    studio_id: UUID
    name: str
    membership_number: str
    claims: tuple[PreviewClaim, ...]
    total: Money | None
    """None where the claims have several currencies: such a member stays left out."""
    minor: bool
    """A minor without a legal guardian (R3)."""
    left_out: bool
    left_out_reason: LeftOut | None
    decided_by: str | None
    """Subject of who left the member out or took it in, if staff did."""
    decision_reason: str | None
    """Why, in the words of who decided."""


class Decision(Body):
    """Whether a member is left out of the run."""

    left_out: bool
    reason: LongText | None = None
    """Why; needed to take in a minor without a legal guardian."""


# Runs


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
