"""A run is reversed: each of its cases that has not ended closes in the status it has (R10)."""

from collections.abc import Iterable
from typing import Any, Final

from case_service import store
from case_service.cases.case import Case, Status
from case_service.cases.reports import answer_thing
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import ActorKind, Occasion
from case_service.runs import store as run_store
from case_service.runs.store import Reversal
from kit import parking
from kit.clock import now
from kit.context import Context
from kit.inbox import RETRY_PARKED

REVERSE_RUNS: Final = "reverse-runs"
"""The worker's name."""


async def reverse_runs(context: Context[Any]) -> bool:
    """Close some cases of one run that is to be reversed; say whether there was such a run.

    After a crash it goes on with the cases that are left. Several instances work at different runs.
    """
    async with context.database.begin() as connection:
        reversal = await run_store.next_reversal(connection)
        if reversal is None:
            return False
        cases = await run_store.lock_live_cases(connection, reversal)
        if not cases:
            await run_store.finish_reversal(connection, reversal)
            return True
        unanswered = [case for case in cases if case.status is Status.PENDING]
        journal = Journal()
        reverse_cases(cases, reversal, journal)
        await store.save(connection, journal)
        waiting = await parking.make_due(
            connection, [answer_thing(case.case_id) for case in unanswered]
        )
    if waiting:
        context.wake(RETRY_PARKED)
    return True


def reverse_case(case: Case, reversal: Reversal, journal: Journal) -> None:
    """Close the case unless it has ended, on the word of who ordered the reversal."""
    reverse_cases([case], reversal, journal)


def reverse_cases(cases: Iterable[Case], reversal: Reversal, journal: Journal) -> None:
    """Close those of the cases that have not ended, all at one moment."""
    occasion = Occasion(
        ActorKind.STAFF, reversal.requested_by, now(), reversal.cause, reversal.reason
    )
    for case in cases:
        if case.reverse(occasion.at):
            journal.closed(case, occasion)
