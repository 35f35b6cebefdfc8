"""What the gateway keeps of a member that is handed over."""

from datetime import date
from typing import NamedTuple
from uuid import UUID

from pydantic_core import to_json

from contracts import MemberHandedOverV1
from kit.messages import Message


class Handover(NamedTuple):
    """A case as it goes to its partner: its numbers, and what is sent to one with an API."""

    case_id: UUID
    partner_id: UUID
    run_id: UUID
    member_id: UUID
    run_booking_number: str
    collection_date: date
    booking_number: int
    currency: str
    voucher_ids: str
    """JSON: the voucher of each claim."""
    item: bytes | None
    """The handover as it is sent, made at once where the event says that its partner has an API.

    That is only a head start: the partner's own channel says whether it is sent, and `item_of` then
    has it in any case.
    """


def handover_of(event: MemberHandedOverV1) -> Handover:
    """Return what is kept of a handover; of one to a partner by hand nothing personal."""
    return Handover(
        event.case_id,
        event.partner_id,
        event.run_id,
        event.member_id,
        event.run_booking_number,
        event.collection_date,
        event.booking_number,
        event.claims[0].to_collect.currency,
        to_json({claim.claim_id: claim.voucher_id for claim in event.claims}).decode(),
        _item(event) if event.partner_channel == "API" else None,
    )


def item_of(message: Message[Handover]) -> bytes:
    """Return what is sent to a partner that has an API, also where the event did not say so."""
    if message.event.item is not None:
        return message.event.item
    assert message.record.value is not None, "a record without a value is no message"
    return _item(MemberHandedOverV1.model_validate_json(message.record.value))


def _item(event: MemberHandedOverV1) -> bytes:
    return event.model_dump_json().encode()
