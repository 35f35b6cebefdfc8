"""Turn what partners said into reports (R51), in order for each partner, each once.

A callback is marked in the transaction that publishes its reports, so a crash does both or neither;
so do the payments that follow from balances. What names a case or run that the tenant never sent to
anybody waits, for as long as that is so, and what is said of it later waits behind that.
What cannot be translated for a reason that nobody thought of holds up nothing but itself.
"""

import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Event
from kit import outbox
from kit.clock import now
from kit.context import Context
from kit.database import is_temporary
from kit.ids import new_id
from kit.trace import Cause
from partner_gateway.adapters import ADAPTERS
from partner_gateway.adapters.adapter import Adapter, UnreadableError
from partner_gateway.balances.account import Account, ContradictionError, take_balance
from partner_gateway.balances.store import accounts_of, save_accounts
from partner_gateway.callbacks import store
from partner_gateway.callbacks.callback import Status
from partner_gateway.callbacks.known_payments import Received, enter_payments
from partner_gateway.callbacks.store import Callback, HeldCase, Speaker
from partner_gateway.settings import Settings
from partner_gateway.statement import (
    CaseBalance,
    CaseStatement,
    PaymentCorrected,
    PaymentReceived,
    RunStatement,
    Statement,
    to_report,
)

WORKER: Final = "translate callbacks"
"""The worker that does this."""

BATCH: Final = 100
"""So few that requests need not wait for a processor meanwhile."""

_OTHER_PAYMENT: Final = "contradiction: partner_reference: stands for another payment of the case"

_REST_SECONDS: Final = 60.0
"""For how long the others come first after the callbacks of a partner failed together."""

Said = Statement | CaseBalance

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Translation:
    """What became of one callback: reports, a reason why there will be none, or waiting."""

    callback: Callback
    reports: Sequence[Event] = ()
    said: Said | None = None
    """What the reports tell."""
    parked: str | None = None
    waits_for: UUID | None = None

    @property
    def status(self) -> Status:
        """How the callback is marked."""
        if self.parked is not None:
            return Status.PARKED
        return Status.TRANSLATED if self.waits_for is None else Status.WAITING


class _Failing:
    """The partners whose callbacks this process could not translate lately."""

    def __init__(self, _: Context[Settings]) -> None:
        self._until: dict[UUID, float] = {}

    def add(self, partner_id: UUID) -> None:
        """Let the others come first for a while."""
        self._until[partner_id] = time.monotonic() + _REST_SECONDS

    def partner_ids(self) -> list[UUID]:
        """Return those whose time is not over."""
        at = time.monotonic()
        self._until = {each: until for each, until in self._until.items() if until > at}
        return list(self._until)


async def translate_callbacks(context: Context[Settings]) -> bool:
    """Translate a batch of one partner's callbacks; tell whether there were any."""
    failing = context.one(_Failing)
    due = None
    try:
        async with context.database.begin() as connection:
            due = await store.lock_partner_with_due_callbacks(connection, failing.partner_ids())
            if due is not None:
                await _translate_batch(connection, due)
    except Exception as error:
        if due is not None and not is_temporary(error):
            failing.add(due.partner_id)
        raise
    return due is not None


async def _translate_batch(connection: AsyncConnection, due: Speaker) -> None:
    callbacks = await store.due_callbacks(connection, due.tenant_id, due.partner_id, BATCH)
    if not callbacks:  # another instance was quicker, until we had the lock
        return
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


def _outgoing(translations: Sequence[Translation]) -> list[tuple[Event, Cause]]:
    return [(report, done.callback.cause) for done in translations for report in done.reports]


async def _translate(
    connection: AsyncConnection, speaker: Speaker, callbacks: Sequence[Callback]
) -> list[Translation]:
    adapter, tenant_id = ADAPTERS[speaker.api], speaker.tenant_id
    read = [(callback, _read(adapter, callback)) for callback in callbacks]
    said = [each for _, each in read if not isinstance(each, str)]
    balances = [each.case_id for each in said if isinstance(each, CaseBalance)]
    case_ids = balances + [each.case_id for each in said if isinstance(each, CaseStatement)]
    run_ids = [each.run_id for each in said if isinstance(each, RunStatement)]
    cases = await store.held_cases(connection, tenant_id, case_ids)
    named = [*case_ids, *run_ids, *(case.run_id for case in cases.values())]
    known = _Known(
        cases,
        await store.holders_of_runs(connection, tenant_id, run_ids),
        await store.waited_for(connection, tenant_id, speaker.partner_id, named),
        await accounts_of(connection, tenant_id, balances),
    )
    translations = [
        Translation(callback, parked=each)
        if isinstance(each, str)
        else _judge(callback, each, known)
        for callback, each in read
    ]
    await save_accounts(connection, tenant_id, known.changed_accounts)
    return await _only_new_payments(connection, speaker, translations)


async def _only_new_payments(
    connection: AsyncConnection, speaker: Speaker, translations: Sequence[Translation]
) -> list[Translation]:
    """Report each payment once, and park another one under a reference that was used."""
    received = [
        Received(done.callback.callback_id, done.said)
        for done in translations
        if done.reports and isinstance(done.said, PaymentReceived)
    ]
    verdicts = await enter_payments(connection, speaker.tenant_id, speaker.partner_id, received)
    judged = []
    for done in translations:
        match verdicts.get(done.callback.callback_id, "NEW"):
            case "NEW":
                judged.append(done)
            case "KNOWN":
                judged.append(Translation(done.callback))
            case "OTHER":
                judged.append(Translation(done.callback, parked=_OTHER_PAYMENT))
    return judged


def _read(adapter: Adapter, callback: Callback) -> Said | str:
    """Return what a callback says, or why it cannot be read."""
    try:
        return adapter.statement(callback.body)
    except UnreadableError as error:
        return f"unreadable: {error.reason}"
    except Exception as error:
        return _unexpected(callback, error)


def _unexpected(callback: Callback, error: Exception) -> str:
    """Return why a callback is parked at which we fail; the log says where."""
    log.error("a callback failed", callback_id=str(callback.callback_id), exc_info=error)
    return f"unexpected: {type(error).__name__}"


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of all that a batch speaks of."""

    cases: Mapping[UUID, HeldCase]
    runs: Mapping[UUID, UUID]
    """Who holds each of them."""
    waited_for: AbstractSet[UUID]
    accounts: dict[UUID, Account]
    """As they are after what was judged so far."""
    changed_accounts: dict[UUID, Account] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is spoken of, as we know it."""

    holder: UUID
    run_id: UUID
    member_id: UUID | None
    currency: str | None = None


def _judge(callback: Callback, said: Said, known: _Known) -> Translation:
    """Let a partner speak of what it holds, and of nothing else."""
    about, subject = _subject(said, known)
    if subject is None or about in known.waited_for:
        return Translation(callback, waits_for=about)
    if subject.run_id in known.waited_for:
        return Translation(callback, waits_for=subject.run_id)
    if isinstance(said, Statement) and said.run_id not in (None, subject.run_id):
        return Translation(callback, parked="the case is not of this run")
    if subject.holder != callback.partner_id:
        return Translation(callback, parked="not held by this partner")
    if (said_in := _currency(said)) and subject.currency not in (None, said_in):
        return Translation(callback, parked="contradiction: currency: not that of the case")
    try:
        if isinstance(said, CaseBalance):
            return Translation(callback, _take_balance(callback, said, subject, known), said)
        report = _report(callback, said, subject, callback.callback_id)
        return Translation(callback, [report], said)
    except ContradictionError as error:
        return Translation(callback, parked=f"contradiction: {error.reason}")
    except ValidationError as error:
        return Translation(callback, parked=f"against the contract: {error.errors()[0]['type']}")
    except Exception as error:
        return Translation(callback, parked=_unexpected(callback, error))


def _subject(said: Said, known: _Known) -> tuple[UUID, _Subject | None]:
    """Return the id of what is spoken of, and what we know of it."""
    if isinstance(said, CaseStatement | CaseBalance):
        case = known.cases.get(said.case_id)
        if case is None:
            return said.case_id, None
        return said.case_id, _Subject(case.partner_id, case.run_id, case.member_id, case.currency)
    assert isinstance(said, RunStatement), "what is about no case is about a run"
    holder = known.runs.get(said.run_id)
    return said.run_id, None if holder is None else _Subject(holder, said.run_id, None)


def _currency(said: Said) -> str | None:
    """Return the currency of what is said, if it is about money."""
    match said:
        case PaymentReceived() | PaymentCorrected():
            return said.amount.currency
        case CaseBalance():
            return said.paid_so_far.currency
    return None


def _take_balance(
    callback: Callback, balance: CaseBalance, subject: _Subject, known: _Known
) -> list[Event]:
    """Report what is new with a balance; the next one of the batch finds it in the account."""
    before = known.accounts.get(balance.case_id)
    account, statements = take_balance(before, balance)
    reports = [_report(callback, statement, subject, new_id()) for statement in statements]
    if account is not before:
        known.accounts[balance.case_id] = known.changed_accounts[balance.case_id] = account
    return reports


def _report(callback: Callback, statement: Statement, subject: _Subject, report_id: UUID) -> Event:
    return to_report(
        statement,
        report_id=report_id,
        partner_id=callback.partner_id,
        run_id=subject.run_id,
        member_id=subject.member_id,
        reported_at=callback.received_at,
    )
