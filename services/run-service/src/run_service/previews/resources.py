"""What the API takes and gives of previews."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from contracts import Money
from contracts.parts import LongText
from kit.http import Body
from run_service.candidates.selection import LeftOut
from run_service.resources import LeftOutCandidates, Resource


class PreviewOrder(Body):
    """Which candidates to look at, and for which partner."""

    partner_id: UUID
    studio_ids: Annotated[list[UUID], Field(min_length=1, max_length=2000)] | None = None
    """Only members of these studios; none means all."""


class PreviewHead(Resource):
    """A preview, without its members and what they owe."""

    preview_id: UUID
    partner_id: UUID
    partner_name: str
    studio_ids: tuple[UUID, ...] | None
    """The studios whose members it shows; none means all."""
    created_at: datetime
    created_by: str
    """Subject of who made it."""
    expires_at: datetime
    """Until then a run can be made of it."""


class Preview(PreviewHead):
    """What a run made of it hands over (R2). Counts and sums are of the members not left out."""

    members: int
    claims: int
    totals: tuple[Money, ...]
    """What they owe: one sum for each currency."""
    minors_left_out: int
    """Minors without a legal guardian that are left out, for whatever reason."""
    left_out: tuple[LeftOutCandidates, ...]
    """How many members are left out, by reason."""
    run_id: UUID | None
    """The run that was made of it."""


class PreviewClaim(Resource):
    """A claim in a preview, as it was when the preview was made."""

    claim_id: UUID
    sequence: int
    """Version of the claim."""
    kind: str
    designation: str
    voucher_date: date
    due_date: date
    to_collect: Money


class PreviewMember(Resource):
    """A member in a preview, as it was when the preview was made."""

    member_id: UUID
    sequence: int
    """Version of the member."""
    studio_id: UUID
    name: str
    membership_number: str
    claims: tuple[PreviewClaim, ...]
    """Oldest due date first."""
    total: Money | None
    """None where the claims have several currencies: such a member stays left out."""
    minor: bool
    """A minor without a legal guardian, today or when the oldest claim arose (R3)."""
    came_of_age_on: date | None
    """Set if the member came of age after its oldest claim arose."""
    left_out: bool
    left_out_reason: LeftOut | None
    decided_by: str | None
    """Subject of who left the member out or took it in, if staff did."""
    decided_as: tuple[str, ...] | None
    """The roles that they had."""
    decision_reason: str | None
    """Why, in the words of who decided."""


class Decision(Body):
    """Whether a member is left out of the run."""

    left_out: bool
    reason: LongText | None = None
    """Why; needed to take in a minor without a legal guardian."""


class MembersDecision(Body):
    """Whether members are left out of the run."""

    left_out: bool
    member_ids: Annotated[list[UUID], Field(min_length=1, max_length=10_000)] | None
    """Each once; null means all members of the preview."""
    reason: LongText | None = None
    """Why."""

    @field_validator("member_ids")
    @classmethod
    def _each_once(cls, member_ids: list[UUID] | None) -> list[UUID] | None:
        if member_ids is not None and len(set(member_ids)) < len(member_ids):
            raise PydanticCustomError("member_ids", "Must name each member once")
        return member_ids
