"""What the good rows of checked files say becomes reports, each row once (R53).

Rows are marked in the transaction that publishes their reports, so a crash does both or neither.
A file is taken in a transaction before that: one that fails waits, and the others go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Event
from contracts.money import Money
from kit import outbox
from kit.clock import now
from kit.context import Context
from partner_gateway.partners.store import lock_partner
from partner_gateway.report_files import store
from partner_gateway.report_files.judge_rows import OTHER_PAYMENT
from partner_gateway.report_files.kinds import Field, Kind
from partner_gateway.report_files.report_file import ReportFile
from partner_gateway.settings import Settings
from partner_gateway.statement import (
    CaseAccepted,
    CaseClosed,
    CaseRejected,
    CaseStatement,
    FileNumberAssigned,
    PaymentCorrected,
    PaymentReceived,
    to_report,
)

WORKER: Final = "apply report files"
"""The worker that does this."""

_BATCH: Final = 500
"""Rows of one transaction."""

_TAKEN_FOR: Final = timedelta(seconds=60)
"""How long others keep off a file while its next rows are applied, and all do when that failed."""

_STATEMENTS: Final[Mapping[Kind, type[CaseStatement]]] = {
    Kind.CASE_ACCEPTED: CaseAccepted,
    Kind.CASE_REJECTED: CaseRejected,
    Kind.FILE_NUMBER_ASSIGNED: FileNumberAssigned,
    Kind.PAYMENT_RECEIVED: PaymentReceived,
    Kind.PAYMENT_CORRECTED: PaymentCorrected,
    Kind.CASE_CLOSED: CaseClosed,
}
"""What each kind of row says."""

# PostgreSQL keeps the plan that it made for a few rows. By that it would read all that was reported
# before for each row, and each batch adds to that.
_PLAN_FOR_MANY = text("SET LOCAL enable_seqscan = off")
# Known by now is what another file said that was applied since this one was checked.
_TAKE = text(
    """
    WITH next AS (
        SELECT * FROM report_rows
        WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id AND row > :after_row
          AND state = 'GOOD'
        ORDER BY row
        LIMIT :batch
    ), new AS (
        INSERT INTO reported_rows (tenant_id, partner_id, identity, content, report_file_id)
        SELECT tenant_id, :partner_id, identity, content, report_file_id FROM next
        ON CONFLICT DO NOTHING
        RETURNING identity
    )
    SELECT next.row, next.kind, next.case_id, next.amount, next.own_fees, next.currency, next.day,
           next.partner_reference, next.file_number, next.reason_code, next.reason_text,
           next.result_code, next.identity, cases.run_id, cases.member_id,
           report_files.created_at AS reported_at, new.identity IS NOT NULL AS is_new,
           next.content IS NOT DISTINCT FROM (
               SELECT content FROM reported_rows AS earlier
               WHERE earlier.tenant_id = next.tenant_id AND earlier.partner_id = :partner_id
                 AND earlier.identity = next.identity
           ) AS is_same
    FROM next
    JOIN cases ON cases.tenant_id = next.tenant_id AND cases.case_id = next.case_id
    JOIN report_files ON report_files.tenant_id = next.tenant_id
                     AND report_files.report_file_id = next.report_file_id
    LEFT JOIN new ON new.identity = next.identity
    ORDER BY next.row
    """
)
_GO_ON = text(
    """
    UPDATE report_files
    SET last_row_applied = :last_row, applied = applied + :applied, known = known + :known,
        bad = bad + :bad, good = good - :known - :bad, worked_on_until = :now
    WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id
    """
)
_END = text(
    """
    UPDATE report_files SET status = 'APPLIED', applied_at = :now
    WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id
    """
)
_ADD_ERRORS = text(
    """
    INSERT INTO report_file_errors (tenant_id, report_file_id, row, number, heading, message)
    SELECT :tenant_id, :report_file_id, row, 1, CAST(:heading AS text), :message
    FROM unnest(CAST(:rows AS integer[])) AS new (row)
    """
)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A row that is to be applied."""

    row: int
    kind: str
    case_id: UUID
    amount: Decimal | None
    own_fees: Decimal | None
    currency: str | None
    day: date | None
    partner_reference: str | None
    file_number: str | None
    reason_code: str | None
    reason_text: str | None
    result_code: str | None
    identity: bytes
    run_id: UUID
    member_id: UUID
    reported_at: datetime
    is_new: bool
    is_same: bool
    """If not new: whether it says what was said before."""


async def apply_report_files(context: Context[Settings]) -> bool:
    """Apply the next rows of a file; tell whether there was one."""
    async with context.database.begin() as connection:
        file = await store.take_file_to_apply(connection, now(), _TAKEN_FOR)
    if file is None:
        return False
    async with context.database.begin() as connection:
        if not await store.lock_file_to_go_on(connection, file):
            return True
        # The lock under which all that a partner says keeps its order.
        await lock_partner(connection, file.tenant_id, file.partner_id)
        taken = await _take(connection, file)
        if taken:
            await _apply(connection, file, taken)
        else:
            await connection.execute(_END, {**file.key, "now": now()})
            await store.delete_content(connection, file)
    return True


async def _take(connection: AsyncConnection, file: ReportFile) -> Sequence[_Taken]:
    parameters = {
        **file.key,
        "partner_id": file.partner_id,
        "after_row": file.last_row_applied,
        "batch": _BATCH,
    }
    await connection.execute(_PLAN_FOR_MANY)
    return [_Taken(**row._asdict()) for row in await connection.execute(_TAKE, parameters)]


async def _apply(connection: AsyncConnection, file: ReportFile, taken: Sequence[_Taken]) -> None:
    new = [row for row in taken if row.is_new]
    bad = [row.row for row in taken if not row.is_new and not row.is_same]
    await outbox.publish(connection, [(_report(file, row), file.cause) for row in new])
    if bad:
        heading = file.used_format.columns.get(Field.PARTNER_REFERENCE)
        await connection.execute(
            _ADD_ERRORS, {**file.key, "heading": heading, "message": OTHER_PAYMENT, "rows": bad}
        )
    await connection.execute(
        _GO_ON,
        {
            **file.key,
            "last_row": taken[-1].row,
            "applied": len(new),
            "known": len(taken) - len(new) - len(bad),
            "bad": len(bad),
            "now": now(),
        },
    )


def _report(file: ReportFile, row: _Taken) -> Event:
    return to_report(
        _statement(row),
        # The same row has the same id, whatever file it stands in.
        report_id=uuid5(file.partner_id, row.identity.hex()),
        partner_id=file.partner_id,
        run_id=row.run_id,
        member_id=row.member_id,
        reported_at=row.reported_at,
    )


def _statement(row: _Taken) -> CaseStatement:
    said: dict[str, Any] = {
        "case_id": row.case_id,
        "amount": _money(row.amount, row.currency),
        "own_fees": _money(row.own_fees, row.currency),
        "paid_on": row.day,
        "corrected_on": row.day,
        "closed_on": row.day,
        "partner_reference": row.partner_reference,
        "file_number": row.file_number,
        "reason_code": row.reason_code,
        "reason_text": row.reason_text,
        "result_code": row.result_code,
    }
    statement = _STATEMENTS[Kind(row.kind)]
    known = {name: said[name] for name in statement.model_fields if said.get(name) is not None}
    return statement(**known)


def _money(amount: Decimal | None, currency: str | None) -> Money | None:
    if amount is None or currency is None:
        return None
    return Money(amount=amount, currency=currency)
