"""SQL on what was said of a run as a whole: its reversal, and partners' answers to all of it.

Who opens cases of a run holds a shared lock on the run's row; who says something of the whole run
holds it alone. So when it has been said, each case of the run is either there to be worked through,
or its opening will know what was said.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, TextClause, and_, func, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.cases.answer import Answer
from case_service.cases.case import Case, Status
from case_service.cases.store import CASE_COLUMNS, with_claims
from case_service.rows import Values, given, same
from case_service.tables import cases, is_live, run_answers, runs
from kit.trace import Cause

CASES_AT_A_TIME: Final = 500
"""Cases that are locked in one transaction; a run may have a hundred thousand."""

RunKey = tuple[UUID, UUID]
"""Tenant and run."""


@dataclass(frozen=True, slots=True)
class Reversal:
    """The order to reverse a run; `cause.tenant_id` is whose run it is."""

    run_id: UUID
    reason: str
    requested_by: str
    requested_at: datetime
    cause: Cause


async def share_runs(connection: AsyncConnection, keys: Iterable[RunKey]) -> dict[RunKey, Reversal]:
    """Hold runs against anything being said of them; return the reversals that were ordered."""
    await _add_runs(connection, keys)
    wanted = given(runs, _rows(keys))
    result = await connection.execute(
        select(runs)
        .join(wanted, same(runs, wanted, ("tenant_id", "run_id")))
        .order_by(runs.c.tenant_id, runs.c.run_id)
        .with_for_update(of=runs, read=True, key_share=True)
    )
    return {
        (row.tenant_id, row.run_id): _reversal(row)
        for row in result
        if row.reversal_requested_at is not None
    }


async def answers_of_runs(
    connection: AsyncConnection, keys: Iterable[RunKey]
) -> dict[tuple[UUID, UUID, UUID], tuple[Answer, Cause]]:
    """Return the answers to whole runs by tenant, run and partner."""
    wanted = given(run_answers, _rows(keys))
    result = await connection.execute(
        select(run_answers).join(wanted, same(run_answers, wanted, ("tenant_id", "run_id")))
    )
    return {(row.tenant_id, row.run_id, row.partner_id): _answer(row) for row in result}


async def record_reversals(connection: AsyncConnection, reversals: Iterable[Reversal]) -> None:
    """Note the order to reverse runs; the first order for a run counts."""
    rows: list[Values] = [
        {
            "tenant_id": reversal.cause.tenant_id,
            "run_id": reversal.run_id,
            "reversal_reason": reversal.reason,
            "reversal_requested_by": reversal.requested_by,
            "reversal_requested_at": reversal.requested_at,
            "reversal_correlation_id": reversal.cause.correlation_id,
            "reversal_traceparent": reversal.cause.traceparent,
        }
        for reversal in reversals
    ]
    await _lock_runs(connection, [(row["tenant_id"], row["run_id"]) for row in rows])
    key = ("tenant_id", "run_id")
    new = given(runs, list({(row["tenant_id"], row["run_id"]): row for row in rows[::-1]}.values()))
    await connection.execute(
        update(runs)
        .values({each.name: each for each in new.c if each.name not in key})
        .where(same(runs, new, key), runs.c.reversal_requested_at.is_(None))
    )


async def record_answers(
    connection: AsyncConnection, answers: Iterable[tuple[Answer, Cause]]
) -> None:
    """Note partners' answers to whole runs; the first answer of a partner to a run counts."""
    rows: list[Values] = [
        {
            "tenant_id": cause.tenant_id,
            "run_id": answer.run_id,
            "partner_id": answer.partner_id,
            "accepted": answer.reason_code is None,
            "file_number": answer.file_number,
            "reason_code": answer.reason_code,
            "reason_text": answer.reason_text,
            "answered_at": answer.answered_at,
            "correlation_id": cause.correlation_id,
            "traceparent": cause.traceparent,
        }
        for answer, cause in answers
    ]
    await _lock_runs(connection, [(row["tenant_id"], row["run_id"]) for row in rows])
    await connection.execute(
        postgresql.insert(run_answers)
        .from_select(list(rows[0]), select(given(run_answers, rows)))
        .on_conflict_do_nothing()
    )


async def next_reversal(connection: AsyncConnection) -> Reversal | None:
    """Return one run that is to be reversed and that no other instance works at, and hold it."""
    result = await connection.execute(
        select(runs)
        .where(runs.c.reversal_requested_at.is_not(None), runs.c.reversal_done_at.is_(None))
        .order_by(runs.c.reversal_requested_at)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
    )
    row = result.one_or_none()
    return None if row is None else _reversal(row)


async def next_answer(connection: AsyncConnection) -> tuple[Answer, Cause] | None:
    """Return one answer that no other instance works at and whose cases may wait, and hold it."""
    result = await connection.execute(
        select(run_answers)
        .where(run_answers.c.done_at.is_(None))
        .order_by(run_answers.c.answered_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = result.one_or_none()
    return None if row is None else _answer(row)


async def finish_reversal(connection: AsyncConnection, reversal: Reversal) -> None:
    """Note that each case of the run that was there has ended."""
    await connection.execute(
        update(runs)
        .values(reversal_done_at=func.now())
        .where(
            runs.c.tenant_id == reversal.cause.tenant_id,
            runs.c.run_id == reversal.run_id,
        )
    )


async def finish_answer(connection: AsyncConnection, answer: Answer, cause: Cause) -> None:
    """Note that each case of the run that waited for this answer has it."""
    await connection.execute(
        update(run_answers)
        .values(done_at=func.now())
        .where(
            run_answers.c.tenant_id == cause.tenant_id,
            run_answers.c.run_id == answer.run_id,
            run_answers.c.partner_id == answer.partner_id,
        )
    )


async def lock_live_cases(connection: AsyncConnection, reversal: Reversal) -> list[Case]:
    """Load and lock some cases that have not ended of a run that is to be reversed."""
    # In the order of the index that knows live cases alone. Of cases that the batches before ended
    # it only walks over what was not cleaned away yet.
    order = (cases.c.case_id,)
    return await _lock_some(connection, reversal.cause.tenant_id, reversal.run_id, is_live, order)


async def lock_cases_to_answer(
    connection: AsyncConnection, answer: Answer, cause: Cause
) -> list[Case]:
    """Load and lock some cases to which the answer to their whole run still says something.

    Those that wait for it, and those that can take the file number that comes with it.
    """
    concerned = cases.c.status == Status.PENDING
    if answer.file_number is not None:
        takes_number = and_(cases.c.file_number.is_(None), cases.c.status != Status.REJECTED)
        concerned = or_(concerned, takes_number)
    of_partner = cases.c.partner_id == answer.partner_id
    order = (cases.c.collection_date, cases.c.case_id)  # as an index has them
    which = and_(of_partner, concerned)
    return await _lock_some(connection, cause.tenant_id, answer.run_id, which, order)


async def _lock_some(
    connection: AsyncConnection,
    tenant_id: UUID,
    run_id: UUID,
    which: ColumnElement[bool] | TextClause,
    order: Sequence[ColumnElement[Any]],
) -> list[Case]:
    """Load and lock some cases of a run.

    Come none, there is none: fewer than `CASES_AT_A_TIME` may mean that some changed while their
    lock was waited for.
    """
    result = await connection.execute(
        select(*CASE_COLUMNS)
        .where(cases.c.tenant_id == tenant_id, cases.c.run_id == run_id, which)
        .order_by(*order)
        .limit(CASES_AT_A_TIME)
        .with_for_update(key_share=True)
    )
    return list((await with_claims(connection, result.all())).values())


async def _add_runs(connection: AsyncConnection, keys: Iterable[RunKey]) -> None:
    new = given(runs, _rows(keys))
    await connection.execute(
        postgresql.insert(runs)
        .from_select(["tenant_id", "run_id"], select(new))
        .on_conflict_do_nothing()
    )


async def _lock_runs(connection: AsyncConnection, keys: Iterable[RunKey]) -> None:
    """Hold runs alone; whoever opens cases of them has ended, or waits."""
    keys = list(keys)
    await _add_runs(connection, keys)
    wanted = given(runs, _rows(keys))
    await connection.execute(
        select(runs.c.run_id)
        .join(wanted, same(runs, wanted, ("tenant_id", "run_id")))
        .order_by(runs.c.tenant_id, runs.c.run_id)
        .with_for_update(of=runs)
    )


def _rows(keys: Iterable[RunKey]) -> list[Values]:
    return [{"tenant_id": tenant, "run_id": run} for tenant, run in sorted(set(keys))]


def _reversal(row: Row[Any]) -> Reversal:
    return Reversal(
        run_id=row.run_id,
        reason=row.reversal_reason,
        requested_by=row.reversal_requested_by,
        requested_at=row.reversal_requested_at,
        cause=Cause(row.tenant_id, row.reversal_correlation_id, row.reversal_traceparent),
    )


def _answer(row: Row[Any]) -> tuple[Answer, Cause]:
    answer = Answer(
        run_id=row.run_id,
        case_id=None,
        partner_id=row.partner_id,
        reason_code=row.reason_code,
        reason_text=row.reason_text,
        file_number=row.file_number,
        answered_at=row.answered_at,
    )
    return answer, Cause(row.tenant_id, row.correlation_id, row.traceparent)
