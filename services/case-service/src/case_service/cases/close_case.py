"""A case is closed for good, paid or not: by staff, or as the partner reports it (R24)."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store
from case_service.cases.case import Case
from case_service.cases.reports import Verdict, apply_reports, lock_reported
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion
from case_service.problems import require_open
from case_service.tenant_settings.tenant_settings import TenantSettings, settings_of
from contracts import ReportCaseClosedV1
from kit.trace import Cause


async def close_case(
    connection: AsyncConnection, case: Case, occasion: Occasion, journal: Journal
) -> None:
    """Close a locked case on the word of staff, together with what the journal holds already.

    Raises the 409 unless the case is open.
    """
    require_open(case)
    settings = (await settings_of(connection, [case.tenant_id]))[case.tenant_id]
    complete(case, settings, occasion, journal)
    await store.save(connection, journal)
    await _reset_dunning_levels(connection, [(case, occasion)])


async def close_reported_cases(
    connection: AsyncConnection, reports: Sequence[tuple[ReportCaseClosedV1, Cause]]
) -> list[Verdict]:
    """Close the cases that partners closed; return what became of each report.

    A case that has ended already stays as it is.
    """
    closed: list[tuple[Case, Occasion]] = []
    settings = await settings_of(connection, (cause.tenant_id for _, cause in reports))

    def rule(
        case: Case, report: ReportCaseClosedV1, occasion: Occasion, journal: Journal
    ) -> Verdict:
        if case.is_live:
            occasion = replace(occasion, why=report.result_code)
            complete(case, settings[case.tenant_id], occasion, journal)
            closed.append((case, occasion))
        return None

    cases = await lock_reported(connection, reports)
    journal = Journal()
    verdicts = apply_reports(cases, reports, rule, journal)
    await store.save(connection, journal)
    await _reset_dunning_levels(connection, closed)
    return verdicts


def complete(case: Case, settings: TenantSettings, occasion: Occasion, journal: Journal) -> None:
    """Close an open case, as its tenant wants what is still open to be treated (R25)."""
    case.complete(occasion.at, write_off=settings.writes_off)
    journal.closed(case, occasion)


async def _reset_dunning_levels(
    connection: AsyncConnection, closed: Sequence[tuple[Case, Occasion]]
) -> None:
    """Ask for a reset for each member whose last case has just been closed; once for each.

    The members are locked: of two cases closed at the same moment the second one waits, and sees
    that the first one is closed.
    """
    last = {(case.tenant_id, case.member_id): (case, occasion) for case, occasion in closed}
    if not last:
        return
    await store.lock_members(connection, last)
    busy = await store.members_with_live_cases(connection, last)
    journal = Journal()
    for member, (case, occasion) in sorted(last.items()):
        if member not in busy:
            journal.dunning_level_reset(case, occasion)
    await store.record(connection, journal)
