"""What partners must be told, and whether they were. Kept for 30 days."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Event
from contracts.parts import Code, Day, Instant


class NoticeEvent(Event):
    """Something that happened to a notice."""

    TOPIC = "partner.notice.v1"
    KEY = ("case_id",)

    notice_id: UUID
    """Id of the notice."""
    case_id: UUID
    """Case that it is about."""
    run_id: UUID
    """Run of the case."""
    member_id: UUID
    """Member of the case."""
    partner_id: UUID
    """Partner that is to be told."""
    kind: Literal["STOP", "STUDIO_PAYMENT", "CLAIM_CHANGED"]
    """What the partner is told: stop collecting, a payment at the studio, or a changed claim."""
    occurred_at: Instant
    """When this happened."""


class NoticeDueV1(NoticeEvent):
    """A partner must be told something."""

    TYPE = "notice.due.v1"

    due_on: Day
    """Day by which the partner should know, in the tenant's time zone."""


class NoticeSentV1(NoticeEvent):
    """A notice was sent to the partner's API; no answer is known yet."""

    TYPE = "notice.sent.v1"

    attempt: Annotated[int, Field(ge=1, le=2**31 - 1)]
    """Which try this was, from 1 on."""


class NoticeAcknowledgedV1(NoticeEvent):
    """The partner knows."""

    TYPE = "notice.acknowledged.v1"

    acknowledged_by: Literal["PARTNER", "STAFF"]
    """Who says so: the partner, or staff who told it by hand."""


class NoticeFailedV1(NoticeEvent):
    """The notice could not be delivered and is not tried again: staff must tell the partner."""

    TYPE = "notice.failed.v1"

    reason_code: Code
    """Why, as a word of an open list."""


class NoticeOverdueV1(NoticeEvent):
    """The day has passed by which the partner should know, and it is not known to know.

    It is told once for each notice. What becomes of the notice is told as if it were in time.
    """

    TYPE = "notice.overdue.v1"

    due_on: Day
    """Day by which the partner should have known, in the tenant's time zone."""
