"""A partner takes or refuses all cases of a run at once (step 6 of a run)."""

from typing import Any, Final

from case_service import store
from case_service.cases.answer import apply_answer
from case_service.cases.reports import answer_thing, partners_occasion
from case_service.ledger.journal import Journal
from case_service.runs import store as run_store
from kit import parking
from kit.context import Context
from kit.inbox import RETRY_PARKED

ANSWER_RUNS: Final = "answer-runs"
"""The worker's name."""


async def answer_runs(context: Context[Any]) -> bool:
    """Open or refuse some cases of one run that was answered as a whole; say whether there was one.

    After a crash it goes on with the cases that are left. Several instances work at different
    answers.
    """
    async with context.database.begin() as connection:
        said = await run_store.next_answer(connection)
        if said is None:
            return False
        answer, cause = said
        cases = await run_store.lock_cases_to_answer(connection, answer, cause)
        if not cases:
            await run_store.finish_answer(connection, answer, cause)
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
