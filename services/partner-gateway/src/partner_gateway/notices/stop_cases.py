"""Tell partners to stop when a case ends on our side (R10, R26, R52)."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from kit.ids import new_id
from kit.messages import Message
from partner_gateway.cases.ended_case import EndedCase, StopReason
from partner_gateway.cases.store import end_cases
from partner_gateway.deliveries.pages import forget_items_of_stopped_pages
from partner_gateway.notices import store
from partner_gateway.notices.notice import CaseNotice, Status
from partner_gateway.notices.tell import tell
from partner_gateway.partners.partner import Channel


async def stop_cases(
    connection: AsyncConnection, ends: Sequence[tuple[Message[EndedCase], Channel]], due_on: date
) -> None:
    """Make one STOP notice for each case that was taken from its partner.

    A case is taken when it is cancelled or its run reversed; when it was completed, its partner
    knows or need not.

    A partner with an API that was never sent the case is told nothing: its handover is dropped,
    whether it waits here or is still on its way (it has a topic of its own and may come later), and
    so are the changes that wait for it. Changes of a case that was sent are told before its STOP. A
    partner by hand may have the case from an export whatever we know, so it is always told.
    """
    if not ends:
        return
    # One end for each case: the same row cannot be written twice by one statement.
    last = {_case(message): message for message, _ in ends}
    sent = await end_cases(connection, list(last.values()))
    await forget_items_of_stopped_pages(connection, sent)
    notices = await store.take_changes(connection, sent)
    for message, channel in ends:
        is_api = channel is Channel.API
        reason = message.event.stop_reason
        if reason is not None and (not is_api or _case(message) in sent):
            notices.append(_stop(message, reason, due_on, is_api=is_api))
    await tell(connection, notices, now())


def _case(message: Message[EndedCase]) -> tuple[UUID, UUID]:
    return message.tenant_id, message.event.case_id


def _stop(
    message: Message[EndedCase], reason: StopReason, due_on: date, *, is_api: bool
) -> CaseNotice:
    case = message.event
    return CaseNotice(
        notice_id=new_id(),
        partner_id=case.partner_id,
        case_id=case.case_id,
        run_id=case.run_id,
        member_id=case.member_id,
        studio_id=case.studio_id,
        kind="STOP",
        status=Status.DUE,
        due_on=due_on,
        request_id=new_id() if is_api else None,
        cause=message.cause,
        reason=reason,
    )
