"""A case gets the partner's file number, the first or another one (R21)."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store
from case_service.cases.case import Case
from case_service.cases.reports import Verdict, apply_reports, lock_reported
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion
from case_service.partners.partner import takes_file_number
from contracts import ReportFileNumberAssignedV1
from kit.problems import unprocessable
from kit.trace import Cause


async def set_file_number(
    connection: AsyncConnection,
    case: Case,
    file_number: str,
    occasion: Occasion,
    journal: Journal,
) -> None:
    """Set the number of a locked case on the word of staff, whatever its status.

    Raises the 422 when the partner's file numbers look otherwise. The partner itself may give any.
    """
    if not await takes_file_number(connection, case.tenant_id, case.partner_id, file_number):
        raise unprocessable("file_number", "Must look as the partner's file numbers do")
    renumber(case, file_number, occasion, journal)


def renumber(case: Case, file_number: str, occasion: Occasion, journal: Journal) -> None:
    """Set the number of a locked case, whatever its status; the same again has no effect."""
    previous = case.file_number
    if case.set_file_number(file_number):
        journal.file_number_set(case, previous, occasion)


async def set_reported_file_numbers(
    connection: AsyncConnection, reports: Sequence[tuple[ReportFileNumberAssignedV1, Cause]]
) -> list[Verdict]:
    """Set the numbers that partners assigned; return what became of each report."""

    def rule(
        case: Case, report: ReportFileNumberAssignedV1, occasion: Occasion, journal: Journal
    ) -> Verdict:
        renumber(case, report.file_number, occasion, journal)
        return None

    cases = await lock_reported(connection, reports)
    journal = Journal()
    verdicts = apply_reports(cases, reports, rule, journal, answered_only=False)
    await store.save(connection, journal)
    return verdicts
