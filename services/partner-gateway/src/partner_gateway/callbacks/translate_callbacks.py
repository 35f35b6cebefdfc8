"""Turn what partners called back into reports (R51), in order for each partner, each once.

A callback is marked in the transaction that publishes its report, so a crash does both or neither.
What names a case or run that the tenant never sent to anybody waits, for as long as that is so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Event
from kit import outbox
from kit.clock import now
from kit.context import Context
from kit.trace import Cause
from partner_gateway.adapters import ADAPTERS
from partner_gateway.adapters.adapter import Adapter, UnreadableError
from partner_gateway.callbacks import store
from partner_gateway.callbacks.store import Callback, HeldCase, Speaker
from partner_gateway.settings import Settings
from partner_gateway.statement import CaseStatement, RunStatement, Statement, to_report

WORKER: Final = "translate callbacks"
"""The worker that does this."""

BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Translation:
    """What became of one callback: reports, a reason why there will be none, or waiting."""

    callback: Callback
    reports: Sequence[Event] = ()
    parked: str | None = None
    waits_for: UUID | None = None

    @property
    def status(self) -> str:
        """How the callback is marked."""
        if self.parked is not None:
            return "PARKED"
        return "TRANSLATED" if self.waits_for is None else "WAITING"


async def translate_callbacks(context: Context[Settings]) -> bool:
    """Translate a batch of one partner's callbacks; tell whether there were any."""
    async with context.database.begin() as connection:
        due = await store.lock_partner_with_due_callbacks(connection)
        if due is None:
            return False
        callbacks = await store.due_callbacks(connection, due.tenant_id, due.partner_id, BATCH)
        if not callbacks:  # another instance was quicker, until we had the lock
            return True
        translations = await _translate(connection, due, callbacks)
        await store.mark_callbacks(
            connection,
            due.tenant_id,
            [
                (done.callback.callback_id, done.status, done.parked, done.waits_for)
                for done in translations
            ],
            now(),
        )
        await outbox.publish(connection, _outgoing(translations))
    return True


def _outgoing(translations: Sequence[Translation]) -> list[tuple[Event, Cause]]:
    return [(report, done.callback.cause) for done in translations for report in done.reports]


async def _translate(
    connection: AsyncConnection, speaker: Speaker, callbacks: Sequence[Callback]
) -> list[Translation]:
    adapter, tenant_id = ADAPTERS[speaker.api], speaker.tenant_id
    read = [(callback, _read(adapter, callback.body)) for callback in callbacks]
    said = [statement for _, statement in read if isinstance(statement, Statement)]
    case_ids = [statement.case_id for statement in said if isinstance(statement, CaseStatement)]
    run_ids = [statement.run_id for statement in said if isinstance(statement, RunStatement)]
    cases = await store.held_cases(connection, tenant_id, case_ids)
    runs = await store.holders_of_runs(connection, tenant_id, run_ids)
    return [
        Translation(callback, parked=statement)
        if isinstance(statement, str)
        else _judge(callback, statement, cases, runs)
        for callback, statement in read
    ]


def _read(adapter: Adapter, body: bytes) -> Statement | str:
    """Return what a callback says, or why it cannot be read."""
    try:
        return adapter.statement(body)
    except UnreadableError as error:
        return f"unreadable: {error.reason}"


def _judge(
    callback: Callback,
    statement: Statement,
    cases: Mapping[UUID, HeldCase],
    runs: Mapping[UUID, UUID],
) -> Translation:
    """Let a partner speak of what it holds, and of nothing else."""
    member_id: UUID | None = None
    if isinstance(statement, CaseStatement):
        case = cases.get(statement.case_id)
        if case is None:
            return Translation(callback, waits_for=statement.case_id)
        if statement.run_id not in (None, case.run_id):
            return Translation(callback, parked="the case is not of this run")
        holder, run_id, member_id = case.partner_id, case.run_id, case.member_id
    else:
        assert isinstance(statement, RunStatement), "what is about no case is about a run"
        if statement.run_id not in runs:
            return Translation(callback, waits_for=statement.run_id)
        holder, run_id = runs[statement.run_id], statement.run_id
    if holder != callback.partner_id:
        return Translation(callback, parked="not held by this partner")
    try:
        report = to_report(
            statement,
            report_id=callback.callback_id,
            partner_id=callback.partner_id,
            run_id=run_id,
            member_id=member_id,
            reported_at=callback.received_at,
        )
    except ValidationError as error:
        return Translation(callback, parked=f"against the contract: {error.errors()[0]['type']}")
    return Translation(callback, reports=[report])
