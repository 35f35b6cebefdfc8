"""A partner takes or refuses single cases (step 6 of a run)."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store
from case_service.cases.answer import Answer, apply_answer
from case_service.cases.case import Case
from case_service.cases.reports import (
    Verdict,
    apply_reports,
    lock_reported,
)
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion
from kit.trace import Cause


async def answer_cases(
    connection: AsyncConnection, answers: Sequence[tuple[Answer, Cause]]
) -> list[Verdict]:
    """Open or refuse the single cases that the answers name; return what became of each answer."""

    def rule(case: Case, answer: Answer, occasion: Occasion, journal: Journal) -> Verdict:
        apply_answer(case, answer, occasion, journal)
        return None

    cases = await lock_reported(connection, answers)
    journal = Journal()
    verdicts = apply_reports(cases, answers, rule, journal, answered_only=False)
    await store.save(connection, journal)
    return verdicts
