"""For the systems that own members and claims. Ids only; kept for ever."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Event, ListOf
from contracts.parts import MAX_CLAIMS, Instant


class MemberEvent(Event):
    """Something that collection tells about a member."""

    TOPIC = "collection.member.v1"
    KEY = ("member_id",)

    member_id: UUID
    """Id of the member."""
    studio_id: UUID
    """Studio that the member belongs to."""
    case_id: UUID
    """Case that ended."""


class MemberReleasedV1(MemberEvent):
    """Claims of a member are not in collection any more."""

    TYPE = "member.released.v1"

    run_id: UUID
    """Run that had handed the member over."""
    reason: Literal["CASE_CLOSED", "CASE_CANCELLED", "CASE_REJECTED", "RUN_REVERSED"]
    """How the case ended."""
    claims: Annotated[ListOf[UUID], Field(min_length=1, max_length=MAX_CLAIMS)]
    """Ids of the claims that are free again."""


class MemberDunningLevelResetV1(MemberEvent):
    """No case of the member is open any more: its dunning level is to start again from 0."""

    TYPE = "member.dunning-level-reset.v1"

    reset_at: Instant
    """When its last case was closed."""
