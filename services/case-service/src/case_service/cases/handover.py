"""A handover as it is kept from when it is read until its case is open. No I/O."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from contracts import MemberHandedOverV1
from kit.trace import Cause


class HandedOverClaim(NamedTuple):
    """A claim as it was at the handover."""

    claim_id: UUID
    voucher_id: UUID
    snapshot_sequence: int
    kind: str
    designation: str
    voucher_date: date
    due_date: date
    amount: Decimal
    paid_directly: Decimal
    currency: str


class Handover(NamedTuple):
    """What a case is made of. The event is many times as large, and let go at once."""

    case_id: UUID
    run_id: UUID
    run_booking_number: str
    booking_number: int
    member_id: UUID
    member_name: str
    membership_number: str
    studio_id: UUID
    time_zone: str
    partner_id: UUID
    partner_channel: str
    collection_date: date
    currency: str
    claims: Sequence[HandedOverClaim]


HandoverAndCause = tuple[Handover, Cause]
"""A handover and what it stems from."""


def handover_of(event: MemberHandedOverV1) -> Handover:
    """Return what is to be kept of a handover."""
    debtor, studio = event.debtor, event.studio
    currency = event.claims[0].amount.currency  # they all have the same
    return Handover(
        event.case_id,
        event.run_id,
        event.run_booking_number,
        event.booking_number,
        event.member_id,
        debtor.member_name,
        debtor.membership_number,
        studio.studio_id,
        studio.time_zone,
        event.partner_id,
        event.partner_channel,
        event.collection_date,
        currency,
        [
            HandedOverClaim(
                claim.claim_id,
                claim.voucher_id,
                claim.snapshot_sequence,
                claim.kind,
                claim.designation,
                claim.voucher_date,
                claim.due_date,
                claim.amount.amount,
                claim.paid_directly.amount,
                currency,
            )
            for claim in event.claims
        ],
    )
