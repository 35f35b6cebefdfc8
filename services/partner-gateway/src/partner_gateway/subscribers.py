"""Events in: what goes to partners, and what ends at them."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, TypeVar

from contracts import (
    CaseCancelledV1,
    CaseClaimChangedV1,
    CaseClosedV1,
    CaseFileNumberSetV1,
    MemberHandedOverV1,
)
from kit.clock import today
from kit.context import Context
from kit.messages import Message
from kit.subscriptions import Batch, Subscriptions
from partner_gateway.cases.ended_case import EndedCase, cancelled_case, closed_case
from partner_gateway.cases.handover import Handover, handover_of
from partner_gateway.cases.keep_cases import keep_cases
from partner_gateway.cases.keep_file_numbers import keep_file_numbers
from partner_gateway.deliveries import deliver
from partner_gateway.notices.keep_changes import keep_changes
from partner_gateway.notices.stop_cases import stop_cases
from partner_gateway.partners.partner import Channel
from partner_gateway.partners.store import channels
from partner_gateway.settings import Settings

subscriptions = Subscriptions()

_UNKNOWN_PARTNER: Final = "unknown-partner"

_AtPartner = TypeVar(
    "_AtPartner",
    Handover,
    CaseFileNumberSetV1,
    CaseClaimChangedV1,
    EndedCase,
)


@subscriptions.handles(MemberHandedOverV1, keeps=handover_of)
async def on_member_handed_over(batch: Batch[Handover]) -> None:
    """Keep what goes to partners; what goes to an API is sent."""
    handovers = await _at_partners(batch)
    await keep_cases(batch.connection, handovers)
    _let_deliver(batch, handovers)


@subscriptions.handles(CaseFileNumberSetV1)
async def on_file_number_set(batch: Batch[CaseFileNumberSetV1]) -> None:
    """Keep the numbers by which partners know cases."""
    messages = [message for message, _ in await _at_partners(batch)]
    await keep_file_numbers(batch.connection, messages)


@subscriptions.handles(CaseClaimChangedV1)
async def on_claim_changed(batch: Batch[CaseClaimChangedV1]) -> None:
    """Tell partners what was paid at the studio, and how claims changed."""
    changes = await _at_partners(batch)
    await keep_changes(batch.connection, changes, _due_on(batch.context))
    _let_deliver(batch, changes)


@subscriptions.handles(CaseClosedV1, keeps=closed_case)
async def on_case_closed(batch: Batch[EndedCase]) -> None:
    """Tell partners to stop the cases of reversed runs."""
    await _stop(batch)


@subscriptions.handles(CaseCancelledV1, keeps=cancelled_case)
async def on_case_cancelled(batch: Batch[EndedCase]) -> None:
    """Tell partners to stop cancelled cases."""
    await _stop(batch)


async def _stop(batch: Batch[EndedCase]) -> None:
    ends = await _at_partners(batch)
    await stop_cases(batch.connection, ends, _due_on(batch.context))
    _let_deliver(batch, ends)


async def _at_partners(batch: Batch[_AtPartner]) -> list[tuple[Message[_AtPartner], Channel]]:
    """Return the messages with the channel of the partner that each names; reject the others."""
    named = [(message.tenant_id, message.event.partner_id) for message in batch.messages]
    found = []
    known = await channels(batch.connection, named)
    for message, channel in zip(batch.messages, known, strict=True):
        if channel is None:
            batch.reject(message, _UNKNOWN_PARTNER)
        else:
            found.append((message, channel))
    return found


def _let_deliver(
    batch: Batch[_AtPartner], found: Sequence[tuple[Message[_AtPartner], Channel]]
) -> None:
    """Let what goes to an API be sent soon; to partners by hand nothing is."""
    if any(channel is Channel.API for _, channel in found):
        batch.wake(deliver.WORKER)


def _due_on(context: Context[Settings]) -> date:
    """Return the day by which a partner should know what it must be told from now on."""
    return today(context.settings.time_zone) + timedelta(days=context.settings.notice_days)
