"""Collection runs: handovers of many members. Ids and amounts only; kept for ever."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.event import Contract, Event, ListOf
from contracts.money import Totals
from contracts.parts import BookingNumber, Channel, Count, Day, Instant, LongText, Subject, Trigger

MAX_STUDIOS = 2000
"""Studios in one run: more would not fit a Kafka message of 1 MiB."""


class RunEvent(Event):
    """Something that happened to a run."""

    TOPIC = "collection.run.v1"
    KEY = ("run_id",)

    run_id: UUID
    """Id of the run."""
    booking_number: BookingNumber
    """Readable number of the run, gapless for each tenant and year, such as 2026-000001."""
    partner_id: UUID
    """Partner that the run goes to."""


class RunStudio(Contract):
    """One studio's part of a run."""

    studio_id: UUID
    """Id of the studio."""
    transfer_id: UUID
    """Id of the handover of this studio in this run."""
    member_count: Count
    """Number of members of the studio in the run."""
    claim_count: Count
    """Number of their claims."""
    totals: Totals
    """What is to be collected from them: one sum for each currency, sorted by its code."""


class RunCreatedV1(RunEvent):
    """A run was created; one `member.handed-over.v1` follows for each of its members."""

    TYPE = "run.created.v1"

    partner_channel: Channel
    """How the partner is told, as it was when the run was created."""
    trigger: Trigger
    """What started the handover: a run or a single member."""
    collection_date: Day
    """Day on which the run was created, in the tenant's time zone."""
    created_at: Instant
    """When the run was created."""
    created_by: Subject
    """Subject of the token of who created the run: an id, never a person's name."""
    member_count: Count
    """Number of members. The run is whole once so many `member.handed-over.v1` have come."""
    claim_count: Count
    """Number of claims of all members."""
    totals: Totals
    """What is to be collected: one sum for each currency, sorted by its code."""
    studios: Annotated[ListOf[RunStudio], Field(min_length=1, max_length=MAX_STUDIOS)]
    """The studios in the run; counts and sums add up to those of the run."""


class RunHandedOverV1(RunEvent):
    """Each member of the run has an answer, and the partner took at least one."""

    TYPE = "run.handed-over.v1"

    accepted_count: Count
    """Members that the partner took."""
    rejected_count: Count
    """Members that the partner refused."""
    handed_over_at: Instant
    """When the last answer was there."""


class RunRejectedV1(RunEvent):
    """The partner refused each member of the run; its claims are free again."""

    TYPE = "run.rejected.v1"

    rejected_count: Count
    """Members that the partner refused: all."""
    rejected_at: Instant
    """When the last answer was there."""


class RunReversalRequestedV1(RunEvent):
    """Staff ordered that the run be reversed; its cases are to end in the status they have."""

    TYPE = "run.reversal-requested.v1"

    reason: LongText
    """Why. Kept for ever: names nobody."""
    requested_by: Subject
    """Subject of the token of who ordered it: an id, never a person's name."""
    requested_at: Instant
    """When it was ordered."""


class RunReversedV1(RunEvent):
    """Each case of a run that was to be reversed has ended; the run is cancelled."""

    TYPE = "run.reversed.v1"

    reversed_at: Instant
    """When the last case had ended."""
    reversed_count: Count
    """Cases that ended by the reversal; those that had ended before are not counted."""
