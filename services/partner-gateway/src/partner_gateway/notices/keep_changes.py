"""Take in that claims changed while in collection: their partners are told (R27, R28, R52)."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import CaseClaimChangedV1
from kit.clock import now
from kit.ids import new_id
from kit.messages import Message
from partner_gateway.notices import store
from partner_gateway.notices.claim_change import ClaimChange
from partner_gateway.notices.notice import CaseNotice, Status
from partner_gateway.notices.tell import tell
from partner_gateway.partners.partner import Channel


async def keep_changes(
    connection: AsyncConnection,
    changes: Sequence[tuple[Message[CaseClaimChangedV1], Channel]],
    due_on: date,
) -> None:
    """Store the changes, each once, and tell partners by hand.

    A partner by hand may have the case from an export whatever we know, so it is told at once. A
    partner with an API is told once the case was sent to it (`tell_changes`). What changes after
    a case has ended is told to nobody: the partner has nothing to collect on it any more.
    """
    for_api: list[CaseNotice] = []
    by_hand: list[CaseNotice] = []
    for message, channel in changes:
        notices = for_api if channel is Channel.API else by_hand
        notices.append(_notice(message, due_on))
    await store.insert_changes(connection, for_api, told=False)
    new = await store.insert_changes(connection, by_hand, told=True)
    await tell(connection, [notice for notice in by_hand if notice.notice_id in new], now())


def _notice(message: Message[CaseClaimChangedV1], due_on: date) -> CaseNotice:
    event = message.event
    change = ClaimChange.of(event)
    return CaseNotice(
        notice_id=new_id(),
        partner_id=event.partner_id,
        case_id=event.case_id,
        run_id=event.run_id,
        member_id=event.member_id,
        studio_id=event.studio_id,
        kind=change.kind,
        status=Status.DUE,
        due_on=due_on,
        request_id=None,
        cause=message.cause,
        claim_change=change,
    )
