"""What goes to the partner. Personal data: few may read, kept for 30 days."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from contracts.event import Event, ListOf
from contracts.money import Money, require_one_currency
from contracts.parts import (
    MAX_CLAIMS,
    BookingNumber,
    Channel,
    ClaimDetails,
    Day,
    Name,
    PersonDetails,
    Sequence,
    StudioDetails,
    Trigger,
)


class HandoverStudio(StudioDetails):
    """The creditor as it was at the handover."""


class HandoverDebtor(PersonDetails):
    """Who owes, as it was at the handover: the member, or who is liable for it."""

    debtor_id: UUID
    """Id of the debtor: the member's id, also when its legal guardian is liable."""
    liable_person: Literal["MEMBER", "LEGAL_GUARDIAN"]
    """Whose names, birth date and addresses these are."""
    represented_member_name: Name | None = None
    """First name and surname of the minor for whom a legal guardian is liable."""

    @property
    def member_name(self) -> str:
        """The name of the member itself, also when its legal guardian is who owes."""
        names = self.first_name, self.name1
        return self.represented_member_name or " ".join(filter(None, names))


class HandoverClaim(ClaimDetails):
    """A claim as it was at the handover."""

    snapshot_sequence: Sequence
    """Sequence of the claim's snapshot that was handed over."""
    voucher_id: UUID
    """Id of the claim within the run."""
    to_collect: Money
    """What the partner is to collect: amount less all that was paid on it by then."""


class MemberHandedOverV1(Event):
    """A member and its claims go to the partner; this is its case from now on."""

    TYPE = "member.handed-over.v1"
    TOPIC = "collection.handover.v1"
    KEY = ("member_id",)

    run_id: UUID
    """Id of the run."""
    case_id: UUID
    """Id of the case, minted here: all that follows names the case by it."""
    transfer_id: UUID
    """Id of the handover of the member's studio in the run."""
    run_booking_number: BookingNumber
    """Readable number of the run."""
    booking_number: Annotated[int, Field(ge=1, le=2**31 - 1)]
    """Number of the member within the run, from 1 on without gaps."""
    partner_id: UUID
    """Partner that the member goes to."""
    partner_channel: Channel
    """How the partner is told, as it was when the run was created."""
    trigger: Trigger
    """What started the handover: a run or a single member."""
    collection_date: Day
    """Day on which the run was created, in the tenant's time zone."""
    member_id: UUID
    """Id of the member."""
    studio: HandoverStudio
    """The creditor."""
    debtor: HandoverDebtor
    """Who owes."""
    claims: Annotated[ListOf[HandoverClaim], Field(min_length=1, max_length=MAX_CLAIMS)]
    """What is owed, all in one currency."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        # A list takes less than a generator, and each service reads each handover.
        require_one_currency(
            [
                money
                for claim in self.claims
                for money in (claim.amount, claim.paid_directly, claim.to_collect)
            ]
        )
        return self
