"""Events in: one function for each contract."""

from collections.abc import Sequence
from typing import TypeVar

from case_service.cases.answer import Answer
from case_service.cases.answer_cases import answer_cases
from case_service.cases.close_case import close_reported_cases
from case_service.cases.handover import Handover, handover_of
from case_service.cases.open_cases import open_cases
from case_service.cases.reports import (
    TooEarly,
    Unacceptable,
    Verdict,
    answer_thing,
    case_thing,
    payment_thing,
)
from case_service.cases.set_file_number import set_reported_file_numbers
from case_service.notices.keep_notices import NoticeStatus, keep_notices
from case_service.partners.partner import keep_partners
from case_service.payments.book_payment import book_reported_payments
from case_service.payments.correct_payments import correct_payments
from case_service.receivables.change_claims import change_claims
from case_service.receivables.claim_change import OTHER_CURRENCY
from case_service.runs import store as run_store
from case_service.runs.answer_runs import ANSWER_RUNS
from case_service.runs.reverse_runs import REVERSE_RUNS
from case_service.runs.store import Reversal
from contracts import (
    ClaimSnapshotV1,
    Event,
    MemberHandedOverV1,
    NoticeAcknowledgedV1,
    NoticeDueV1,
    NoticeFailedV1,
    NoticeOverdueV1,
    NoticeSentV1,
    PartnerSnapshotV1,
    ReportAcceptedV1,
    ReportCaseClosedV1,
    ReportFileNumberAssignedV1,
    ReportPaymentCorrectedV1,
    ReportPaymentReceivedV1,
    ReportRejectedV1,
    RunReversalRequestedV1,
)
from kit.messages import Message
from kit.subscriptions import Batch, Subscriptions

subscriptions = Subscriptions()

E = TypeVar("E", bound=Event)
N = TypeVar("N", NoticeDueV1, NoticeSentV1, NoticeAcknowledgedV1, NoticeFailedV1, NoticeOverdueV1)
A = TypeVar("A", ReportAcceptedV1, ReportRejectedV1)


@subscriptions.handles(MemberHandedOverV1, keeps=handover_of)
async def handed_over(batch: Batch[Handover]) -> None:
    """A member and its claims become a case; what was reported on it before can follow."""
    unusable = await open_cases(
        batch.connection,
        [(each.event, each.cause) for each in batch.messages],
        batch.context.settings.time_zone,
    )
    if unusable:
        for message in batch.messages:
            if reason := unusable.get((message.tenant_id, message.event.case_id)):
                batch.reject(message, reason)
    batch.arrived(case_thing(message.event.case_id) for message in batch.messages)


def _members_key(event: ClaimSnapshotV1) -> str:
    """Return the key of handovers, and of what partners report on cases."""
    return str(event.member_id)


@subscriptions.handles(ClaimSnapshotV1, parted_by=_members_key)
async def claim_changed(batch: Batch[ClaimSnapshotV1]) -> None:
    """Receivables says what it knows of claims, in collection or not (R27, R28)."""
    unusable = await change_claims(
        batch.connection, [(each.event, each.cause) for each in batch.messages]
    )
    for message in batch.messages:
        event = message.event
        if ((message.tenant_id, event.claim_id), event.amount.currency) in unusable:
            batch.reject(message, OTHER_CURRENCY)


@subscriptions.handles(PartnerSnapshotV1)
async def partner_changed(batch: Batch[PartnerSnapshotV1]) -> None:
    """partner-gateway says how a partner is set up."""
    await keep_partners(
        batch.connection, [(message.event, message.tenant_id) for message in batch.messages]
    )


@subscriptions.handles(NoticeDueV1)
async def notice_due(batch: Batch[NoticeDueV1]) -> None:
    """A partner must be told something of a case."""
    await _keep_notices(batch, NoticeStatus.DUE)


@subscriptions.handles(NoticeSentV1)
async def notice_sent(batch: Batch[NoticeSentV1]) -> None:
    """It was sent to the partner."""
    await _keep_notices(batch, NoticeStatus.SENT)


@subscriptions.handles(NoticeAcknowledgedV1)
async def notice_acknowledged(batch: Batch[NoticeAcknowledgedV1]) -> None:
    """The partner knows."""
    await _keep_notices(batch, NoticeStatus.ACKNOWLEDGED)


@subscriptions.handles(NoticeFailedV1)
async def notice_failed(batch: Batch[NoticeFailedV1]) -> None:
    """It could not be delivered: staff must tell the partner."""
    await _keep_notices(batch, NoticeStatus.FAILED)


@subscriptions.handles(NoticeOverdueV1)
async def notice_overdue(batch: Batch[NoticeOverdueV1]) -> None:
    """Partners should know something by now."""
    await _keep_notices(batch, NoticeStatus.DUE)


@subscriptions.handles(RunReversalRequestedV1)
async def reversal_requested(batch: Batch[RunReversalRequestedV1]) -> None:
    """The order is noted here; a worker closes the cases, many as they may be."""
    await run_store.record_reversals(
        batch.connection,
        [
            Reversal(
                run_id=message.event.run_id,
                reason=message.event.reason,
                requested_by=message.event.requested_by,
                requested_at=message.event.requested_at,
                cause=message.cause,
            )
            for message in batch.messages
        ],
    )
    batch.wake(REVERSE_RUNS)


@subscriptions.handles(ReportAcceptedV1)
async def accepted(batch: Batch[ReportAcceptedV1]) -> None:
    """The partner takes a case, or all cases of a run."""
    await _answered(batch)


@subscriptions.handles(ReportRejectedV1)
async def rejected(batch: Batch[ReportRejectedV1]) -> None:
    """The partner refuses a case, or all cases of a run."""
    await _answered(batch)


@subscriptions.handles(ReportFileNumberAssignedV1)
async def file_number_assigned(batch: Batch[ReportFileNumberAssignedV1]) -> None:
    """The partner gave cases its numbers."""
    reports = [(message.event, message.cause) for message in batch.messages]
    _settle(batch, batch.messages, await set_reported_file_numbers(batch.connection, reports))


@subscriptions.handles(ReportPaymentReceivedV1)
async def payment_received(batch: Batch[ReportPaymentReceivedV1]) -> None:
    """Debtors paid the partner; corrections that came before can follow."""
    reports = [(message.event, message.cause) for message in batch.messages]
    done = _settle(batch, batch.messages, await book_reported_payments(batch.connection, reports))
    batch.arrived(payment_thing(each.case_id, each.partner_reference) for each in done)


@subscriptions.handles(ReportPaymentCorrectedV1)
async def payment_corrected(batch: Batch[ReportPaymentCorrectedV1]) -> None:
    """Payments that were reported were other amounts in truth."""
    reports = [(message.event, message.cause) for message in batch.messages]
    _settle(batch, batch.messages, await correct_payments(batch.connection, reports))


@subscriptions.handles(ReportCaseClosedV1)
async def case_closed(batch: Batch[ReportCaseClosedV1]) -> None:
    """The partner closed cases on its side."""
    reports = [(message.event, message.cause) for message in batch.messages]
    _settle(batch, batch.messages, await close_reported_cases(batch.connection, reports))


async def _keep_notices(batch: Batch[N], status: NoticeStatus) -> None:
    await keep_notices(
        batch.connection,
        [(message.event, message.tenant_id) for message in batch.messages],
        status,
    )


async def _answered(batch: Batch[A]) -> None:
    single = [message for message in batch.messages if message.event.case_id is not None]
    whole = [message for message in batch.messages if message.event.case_id is None]
    if whole:  # first, as runs are locked before cases
        await run_store.record_answers(
            batch.connection, [(_answer(message.event), message.cause) for message in whole]
        )
        batch.wake(ANSWER_RUNS)
    if single:
        verdicts = await answer_cases(
            batch.connection, [(_answer(each.event), each.cause) for each in single]
        )
        done = _settle(batch, single, verdicts)
        batch.arrived(answer_thing(each.case_id) for each in done if each.case_id)


def _answer(event: ReportAcceptedV1 | ReportRejectedV1) -> Answer:
    """Read an answer, for a case or for a whole run."""
    match event:
        case ReportAcceptedV1():
            reason_code, reason_text, file_number = None, None, event.file_number
        case ReportRejectedV1():
            reason_code, reason_text, file_number = event.reason_code, event.reason_text, None
    return Answer(
        run_id=event.run_id,
        case_id=event.case_id,
        partner_id=event.partner_id,
        reason_code=reason_code,
        reason_text=reason_text,
        file_number=file_number,
        answered_at=event.reported_at,
    )


def _settle(
    batch: Batch[E], messages: Sequence[Message[E]], verdicts: Sequence[Verdict]
) -> list[E]:
    """Park what came too early, refuse what can never work, return what had its effect."""
    done = []
    for message, verdict in zip(messages, verdicts, strict=True):
        match verdict:
            case TooEarly(waits_for):
                batch.park(message, waits_for)
            case Unacceptable(reason):
                batch.reject(message, reason)
            case None:
                done.append(message.event)
    return done
