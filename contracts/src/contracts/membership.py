"""Snapshots of studios and members, from the system that owns them; the newest sequence wins."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.event import Contract, Event
from contracts.parts import (
    Address,
    Day,
    Email,
    LongText,
    Name,
    PersonDetails,
    PhoneNumbers,
    Sequence,
    StudioDetails,
)


class StudioSnapshotV1(StudioDetails, Event):
    """A studio as it is now."""

    TYPE = "studio.snapshot.v1"
    TOPIC = "membership.studio.v1"
    KEY = ("studio_id",)

    sequence: Sequence
    """Grows with each snapshot of this studio; the highest is the truth."""


class LegalGuardian(Contract):
    """Who acts, and is liable, for a minor."""

    first_name: Name | None = None
    """First name."""
    name1: Name
    """Surname."""
    birth_date: Day | None = None
    """Day of birth."""
    address: Address | None = None
    """Postal address."""
    email: Email | None = None
    """E-mail address."""
    phone_numbers: PhoneNumbers = ()
    """Phone numbers."""


class MembershipContract(Contract):
    """The term of a membership."""

    started_on: Day
    """First day of the membership."""
    ended_on: Day | None = None
    """Last day of the membership; none while it runs."""


class Dunning(Contract):
    """How far reminders have gone."""

    level: Annotated[int, Field(ge=0, le=99)]
    """Dunning level; 0 before the first reminder."""
    last_level_passed_on: Day | None = None
    """Day on which the last dunning level was passed; from then on collection may begin."""


class CollectionBlock(Contract):
    """The member must not be handed over."""

    reason: LongText
    """Why, as the owning system's staff put it."""
    until: Day | None = None
    """Last day of the block; none when it has no end."""


class MemberSnapshotV1(PersonDetails, Event):
    """A member as it is now."""

    TYPE = "member.snapshot.v1"
    TOPIC = "membership.member.v1"
    KEY = ("member_id",)

    member_id: UUID
    """Id of the member."""
    sequence: Sequence
    """Grows with each snapshot of this member; the highest is the truth."""
    studio_id: UUID
    """Studio that the member belongs to."""
    legal_guardian: LegalGuardian | None = None
    """Who is liable for the member while it is a minor."""
    contract: MembershipContract | None = None
    """The member's contract, the latest one if there were several."""
    dunning: Dunning
    """The member's dunning level."""
    collection_block: CollectionBlock | None = None
    """Set while the member must not be handed over."""
