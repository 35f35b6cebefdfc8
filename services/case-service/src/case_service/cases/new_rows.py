"""The rows of new cases, of their claims and members. Columns that are not here have defaults."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from pydantic_core import to_json

from case_service.cases.case import Case, Claim
from case_service.cases.handover import HandedOverClaim, Handover, HandoverAndCause
from kit.search_text import search_text, text_keys

NEW_CASE_COLUMNS: Final = (
    "tenant_id", "case_id", "run_id", "run_booking_number", "booking_number", "member_id",
    "studio_id", "partner_id", "partner_channel", "collection_date", "currency", "time_zone",
    "status", "handed_over", "open", "created_at", "opened_at", "version",
)  # fmt: skip

NEW_CLAIM_COLUMNS: Final = (
    "tenant_id", "case_id", "claim_id", "voucher_id", "snapshot_sequence", "kind", "designation",
    "voucher_date", "due_date", "amount", "paid_directly", "handed_over", "open",
)  # fmt: skip


def case_row(case: Case, handover: Handover, at: datetime) -> tuple[Any, ...]:
    """Return the row of a new case, of which all that was handed over is open."""
    open_ = case.open
    return (
        case.tenant_id,
        case.case_id,
        case.run_id,
        handover.run_booking_number,
        handover.booking_number,
        case.member_id,
        case.studio_id,
        case.partner_id,
        handover.partner_channel,
        case.collection_date,
        case.currency,
        case.time_zone,
        case.status,
        open_,
        open_,
        at,
        case.opened_at,
        case.version,
    )


def claim_row(case: Case, claim: Claim, handed_over: HandedOverClaim) -> tuple[Any, ...]:
    """Return the row of a claim in a new case; of what happens to it later it has 0.00."""
    return (
        case.tenant_id,
        case.case_id,
        claim.claim_id,
        handed_over.voucher_id,
        handed_over.snapshot_sequence,
        handed_over.kind,
        handed_over.designation,
        claim.voucher_date,
        claim.due_date,
        handed_over.amount,
        handed_over.paid_directly,
        claim.handed_over,
        claim.open,
    )


class MemberRow(NamedTuple):
    """A member as at its latest handover; `search_keys` as PostgreSQL writes an array."""

    tenant_id: UUID
    member_id: UUID
    studio_id: UUID
    name: str
    membership_number: str
    last_handed_over_on: date
    search_text: str
    search_keys: str


def member_rows(handovers: Iterable[HandoverAndCause]) -> list[MemberRow]:
    """Say who was handed over; of several handovers of one member the latest counts."""
    latest = {
        (cause.tenant_id, handover.member_id): handover
        for handover, cause in sorted(handovers, key=lambda each: each[0].collection_date)
    }
    return [_member_row(tenant_id, handover) for (tenant_id, _), handover in latest.items()]


def _member_row(tenant_id: UUID, handover: Handover) -> MemberRow:
    name, membership_number = handover.member_name, handover.membership_number
    text = search_text(name, membership_number)
    return MemberRow(
        tenant_id,
        handover.member_id,
        handover.studio_id,
        name,
        membership_number,
        handover.collection_date,
        text,
        f"{{{to_json(text_keys(tenant_id, text)).decode()[1:-1]}}}",
    )
