"""What the HTTP interface shows of those who were handed over."""

from datetime import date
from uuid import UUID

from case_service.cases.case import Status
from case_service.views import View
from contracts import Money


class MemberCase(View):
    """One case in the life of a member."""

    case_id: UUID
    run_id: UUID
    partner_id: UUID
    studio_id: UUID
    collection_date: date
    """Day of the handover."""
    handed_over: Money
    """What was open at the handover."""
    collected: Money
    """What was paid on its claims through it."""
    open: Money
    """What is open; on a case that has ended, what is open again, for staff."""
    status: Status
    file_number: str | None


class MemberInCollection(View):
    """Someone who was handed over once or more."""

    member_id: UUID
    studio_id: UUID
    name: str | None
    """Null as the number is."""
    membership_number: str | None
    """Null when the latest handover is one of a studio that you may not see."""
    last_handed_over_on: date
    cases: list[MemberCase]
    """All of them, newest first."""
