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
    silent_since: datetime | None
    """Since when nothing has come from an API partner that still owes answers on the whole run."""
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
    """A run, why the partner refused what it refused, and why staff reversed it."""

    rejection_reasons: tuple[RejectionReason, ...]
    """Most frequent first (R8)."""
    reversal_requested_by: str | None
    """Subject of who ordered the reversal."""
    reversal_reason: str | None


class RunMember(Resource):
    """A member of a run, from the moment it was handed over (R6)."""

    member_id: UUID
    case_id: UUID
    booking_number: int
    """Number within the run, from 1 on."""
    studio_id: UUID
    membership_number: str
    name: str
    handed_over: Money
    """What was open on its claims when the run was made."""
    open: Money
    """What is open now on the claims that were handed over."""
    case_status: CaseStatus
    reason_code: str | None
    """Why the partner refused the member."""


class RunClaim(Resource):
    """A claim of a member of a run."""

    claim_id: UUID
    voucher_id: UUID
    """Id of the claim within the run."""
    kind: str
    designation: str
    voucher_date: date
    due_date: date
    handed_over: Money
    """What was open on it when the run was made."""
    collected: Money
    """What was paid on it through this case."""
    open: Money
    """What is open on it now, whoever was paid."""
    in_collection: bool
    """Whether it still is in collection by this run."""
    released_at: datetime | None
    """When it was free again."""


class RunMemberDetails(RunMember):
    """A member of a run with its claims (R6)."""

    taken_in_by: str | None
    """Subject of who took in a minor without a legal guardian (R3)."""
    taken_in_as: tuple[str, ...] | None
    """The roles of who did."""
    taken_in_reason: str | None
    claims: tuple[RunClaim, ...]
    """Oldest due date first."""


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
    """What reversing a run does, and how far it is (R10): of the studios that one may see."""

    run_id: UUID
    status: RunStatus
    members: int
    cases_not_ended: int
    """Cases that are closed in the status they have, by a reversal."""
    open: tuple[Money, ...]
    """What is open on those: one sum for each currency."""
    cases_ended: int
    """Cases that have ended, by the reversal or before it."""
    cases_rejected: int
    """Members that the partner refused."""
    collected: tuple[Money, ...]
    """What was collected on the run's cases so far, and stays booked."""
    reversal_requested_at: datetime | None
    reversal_requested_by: str | None
    """Subject of who ordered it."""
    reversal_reason: str | None
    reversed_at: datetime | None
    legal_duty: LegalDuty


class ReversalOrder(Body):
    """Orders that a run be reversed."""

    confirmed: Literal[True]
    """That the legal duty to inform the partner was read."""
    reason: LongText
    """Why. Is published to other services: names nobody."""

    @field_validator("confirmed", mode="before")
    @classmethod
    def _nothing_like_true(cls, confirmed: object) -> object:
        if confirmed is not True:
            raise PydanticCustomError("confirmed", "Must be true")
        return confirmed

    @field_validator("reason")
    @classmethod
    def _says_something(cls, reason: str) -> str:
        if not reason.strip():
            raise PydanticCustomError("reason", "Must not be blank")
        return reason
