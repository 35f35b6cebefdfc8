"""What the HTTP interface shows of files."""

from uuid import UUID

from case_service.cases.views import CaseSummary
from case_service.views import Sum, View


class FileTotals(View):
    """The sums over cases in one currency."""

    cases: int
    """How many there are."""
    handed_over: Sum
    """What was open at the handover."""
    collected: Sum
    """What was paid on their claims through them."""
    open: Sum
    """What is open, also again on cases that have ended."""
    unallocated: Sum
    """What was paid and belongs to no claim."""
    residual: Sum
    """What was open when those ended that have ended."""
    written_off: Sum
    """What of that was given up."""


class FileSummary(View):
    """A number under which a partner works cases, and their sums."""

    partner_id: UUID
    file_number: str
    totals: list[FileTotals]
    """One for each currency."""


class File(FileSummary):
    """A file with its cases."""

    cases: list[CaseSummary]
    """A page of them, the newest handover first; the sums are of all."""
    next: str | None
    """The cursor of the next page; null on the last one."""
