"""A run is reversed: each of its cases that has not ended closes in the status it has (R10)."""

from typing import Any, Final

from case_service import store, store_runs
from case_service.case import Case, Status
from case_service.journal import Journal
from case_service.ledger import ActorKind, Occasion
from case_service.reports import answer_thing
from case_service.store_runs import Reversal
from kit import parking
from kit.clock import now
from kit.context import Context
from kit.inbox import RETRY_PARKED

REVERSE_RUNS: Final = "reverse-runs"
"""The worker's name."""

BATCH: Final = 500
"""Cases that are closed in one transaction; a run may have a hundred thousand."""


async def reverse_runs(context: Context[Any]) -> bool:
    """Close some cases of one run that is to be reversed; say whether there was such a run.

    After a crash it goes on with the cases that are left. Several instances work at different runs.
    """
    async with context.database.begin() as connection:
        reversal = await store_runs.next_reversal(connection)
        if reversal is None:
            return False
        cases = await store_runs.lock_live_cases(
            connection, reversal.cause.tenant_id, reversal.run_id, BATCH
        )
        if not cases:
            await store_runs.finish_reversal(connection, reversal)
            return True
        unanswered = [case for case in cases if case.status is Status.PENDING]
        journal = Journal()
        for case in cases:
            reverse_case(case, reversal, journal)
        await store.save(connection, journal)
        waiting = await parking.make_due(
            connection, [answer_thing(case.case_id) for case in unanswered]
        )
    if waiting:
        context.wake(RETRY_PARKED)
    return True


def reverse_case(case: Case, reversal: Reversal, journal: Journal) -> None:
    """Close the case unless it has ended, on the word of who ordered the reversal."""
    occasion = Occasion(
        ActorKind.STAFF, reversal.requested_by, now(), reversal.cause, reversal.reason
    )
    if case.reverse(occasion.at):
        journal.closed(case, occasion)
