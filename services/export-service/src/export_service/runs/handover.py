"""A handover as it is kept from when it is read until its batch is written. No I/O."""

from collections.abc import Sequence
from typing import NamedTuple

from contracts import MemberHandedOverV1
from export_service.members.case import NOTHING, CaseRow
from export_service.runs.rows import Checked, StoredRow, checked_texts, rows_of
from kit.search_text import search_text


class Handover(NamedTuple):
    """What is written of a handover. The event is many times as large, and let go at once."""

    case: CaseRow
    trigger: str
    claim_count: int
    rows: Sequence[StoredRow]
    checked: Checked


def handover_of(event: MemberHandedOverV1) -> Handover:
    """What is to be kept of a handover."""
    return Handover(
        case=_case(event),
        trigger=event.trigger,
        claim_count=len(event.claims),
        rows=rows_of(event),
        checked=checked_texts(event),
    )


def _case(event: MemberHandedOverV1) -> CaseRow:
    debtor, studio, claims = event.debtor, event.studio, event.claims
    name = debtor.member_name
    return CaseRow(
        case_id=event.case_id,
        run_id=event.run_id,
        run_booking_number=event.run_booking_number,
        booking_number=event.booking_number,
        member_id=event.member_id,
        studio_id=studio.studio_id,
        studio_name=studio.name1,
        partner_id=event.partner_id,
        name=name,
        membership_number=debtor.membership_number,
        search_text=search_text(name, debtor.membership_number),
        collection_date=event.collection_date,
        currency=claims[0].to_collect.currency,
        handed_over=str(sum([claim.to_collect.amount for claim in claims], NOTHING)),
    )
