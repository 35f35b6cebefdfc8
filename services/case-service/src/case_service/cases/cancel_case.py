"""A case is taken back from the partner: collection stops, its claims are free again (R26)."""

from case_service.cases.case import Case
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion
from case_service.problems import require_open


def cancel_case(case: Case, occasion: Occasion, journal: Journal) -> None:
    """Cancel a locked case; raises the 409 unless it is open."""
    require_open(case)
    case.cancel(occasion.at)
    journal.cancelled(case, occasion)
