"""A partner takes or refuses cases: one by one, or a whole run at once (step 6 of a run)."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store, store_runs
from case_service.answer import Answer, apply_answer
from case_service.case import Case
from case_service.journal import Journal
from case_service.ledger import Occasion
from case_service.reports import (
    Verdict,
    answer_thing,
    apply_reports,
    lock_reported,
    partners_occasion,
)
from kit import parking
from kit.context import Context
from kit.inbox import RETRY_PARKED
from kit.trace import Cause

ANSWER_RUNS: Final = "answer-runs"
"""The name of the worker that does `answer_runs`."""

BATCH: Final = 500
"""Cases that are answered in one transaction; a run may have a hundred thousand."""


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


async def answer_runs(context: Context[Any]) -> bool:
    """Open or refuse some cases of one run that was answered as a whole; say whether there was one.

    After a crash it goes on with the cases that are left. Several instances work at different
    answers.
    """
    async with context.database.begin() as connection:
        said = await store_runs.next_answer(connection)
        if said is None:
            return False
        answer, cause = said
        cases = await store_runs.lock_live_cases(
            connection, cause.tenant_id, answer.run_id, BATCH, waiting_for=answer.partner_id
        )
        if not cases:
            await store_runs.finish_answer(connection, answer, cause)
            return True
        occasion = partners_occasion(answer.partner_id, cause)
        journal = Journal()
        for case in cases:
            apply_answer(case, answer, occasion, journal)
        await store.save(connection, journal)
        waiting = await parking.make_due(connection, [answer_thing(case.case_id) for case in cases])
    if waiting:
        context.wake(RETRY_PARKED)
    return True
