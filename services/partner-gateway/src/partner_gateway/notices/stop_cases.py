"""Tell partners to stop when a case ends on our side (R10, R26, R52)."""

from collections.abc import Sequence
from datetime import date
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import CaseCancelledV1, CaseClosedV1
from kit.clock import now
from kit.ids import new_id
from kit.messages import Message
from partner_gateway.cases.store import Ended, end_cases
from partner_gateway.deliveries.pages import forget_items_of_stopped_pages
from partner_gateway.notices import store
from partner_gateway.notices.notice import CaseNotice, Status
from partner_gateway.notices.tell import tell
from partner_gateway.partners.partner import Channel

E = TypeVar("E", CaseClosedV1, CaseCancelledV1)


async def stop_cases(
    connection: AsyncConnection, ends: Sequence[tuple[Message[E], Channel]], due_on: date
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
        if _is_taken(message) and (not is_api or _case(message) in sent):
            notices.append(_stop(message, due_on, is_api=is_api))
    await tell(connection, notices, now())


def _case(message: Ended) -> tuple[UUID, UUID]:
    return message.tenant_id, message.event.case_id


def _is_taken(message: Ended) -> bool:
    return not isinstance(message.event, CaseClosedV1) or message.event.reason == "RUN_REVERSED"


def _stop(message: Ended, due_on: date, *, is_api: bool) -> CaseNotice:
    event = message.event
    return CaseNotice(
        notice_id=new_id(),
        partner_id=event.partner_id,
        case_id=event.case_id,
        run_id=event.run_id,
        member_id=event.member_id,
        studio_id=event.studio_id,
        kind="STOP",
        status=Status.DUE,
        due_on=due_on,
        request_id=new_id() if is_api else None,
        cause=message.cause,
        reason="RUN_REVERSED" if isinstance(event, CaseClosedV1) else "CASE_CANCELLED",
    )
