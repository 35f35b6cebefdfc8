"""Snapshots as rows: what candidates are found by, and what of each version is kept."""

from datetime import date
from typing import NamedTuple
from uuid import UUID

from contracts import ClaimSnapshotV1, MemberSnapshotV1
from run_service.candidates import versions
from run_service.candidates.member import (
    blocked_until,
    display_name,
    guardian_address,
    is_complete,
    of_age_on,
)
from run_service.candidates.search_text import search_text, spell_out


class MemberRow(NamedTuple):
    """What is saved of a member: columns of `members` and `member_snapshots`, but the tenant."""

    member_id: UUID
    sequence: int
    studio_id: UUID
    membership_number: str
    name: str
    surname: str
    search_text: str
    last_level_passed_on: date | None
    blocked_until: date | None
    of_age_on: date | None
    has_guardian: bool
    has_address: bool
    guardian_has_address: bool
    person: str
    legal_guardian: str | None


class ClaimRow(NamedTuple):
    """What is saved of a claim: columns of `claims` and `claim_snapshots`, but the tenant."""

    claim_id: UUID
    sequence: int
    member_id: UUID
    kind: str
    voucher_date: date
    due_date: date
    currency: str
    amount: str
    """As it is written, like what was paid."""
    paid_directly: str
    cancelled: bool
    disputed: bool
    is_handover_fee: bool
    details: str


def member_row(member: MemberSnapshotV1) -> MemberRow:
    """Return what is saved of a member."""
    name = display_name(member.first_name, member.name1)
    return MemberRow(
        member_id=member.member_id,
        sequence=member.sequence,
        studio_id=member.studio_id,
        membership_number=member.membership_number,
        name=name,
        surname=spell_out(member.name1),
        search_text=search_text(name, member.membership_number),
        last_level_passed_on=member.dunning.last_level_passed_on,
        blocked_until=blocked_until(member),
        of_age_on=member.birth_date and of_age_on(member.birth_date),
        has_guardian=member.legal_guardian is not None,
        has_address=is_complete(member.address),
        guardian_has_address=is_complete(guardian_address(member)),
        person=versions.person(member),
        legal_guardian=versions.legal_guardian(member),
    )


def claim_row(claim: ClaimSnapshotV1) -> ClaimRow:
    """Return what is saved of a claim."""
    return ClaimRow(
        claim_id=claim.claim_id,
        sequence=claim.sequence,
        member_id=claim.member_id,
        kind=claim.kind,
        voucher_date=claim.voucher_date,
        due_date=claim.due_date,
        currency=claim.amount.currency,
        amount=str(claim.amount.amount),
        paid_directly=str(claim.paid_directly.amount),
        cancelled=claim.cancelled,
        disputed=claim.disputed,
        is_handover_fee=False,
        details=versions.claim_details(claim),
    )
