"""What the API takes and gives."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts import Money
from contracts.parts import LongText
from kit.http import Body
from run_service.candidates.selection import LeftOut


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
