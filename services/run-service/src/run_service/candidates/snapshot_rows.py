"""Snapshots as rows: what candidates are found by, and what of each version is kept."""

from typing import Final

from contracts import ClaimSnapshotV1, MemberSnapshotV1
from kit.messages import Message
from run_service.candidates import versions
from run_service.candidates.member import (
    blocked_until,
    display_name,
    guardian_address,
    is_complete,
    of_age_on,
)
from run_service.candidates.search_text import search_text, spell_out
from run_service.candidates.store import Row

MEMBER: Final = (
    "tenant_id",
    "member_id",
    "sequence",
    "studio_id",
    "membership_number",
    "name",
    "surname",
    "search_text",
    "last_level_passed_on",
    "blocked_until",
    "of_age_on",
    "has_guardian",
    "has_address",
    "guardian_has_address",
    "person",
    "legal_guardian",
)
"""The columns of `members` and `member_snapshots` that `member_row` has values of."""

CLAIM: Final = (
    "tenant_id",
    "claim_id",
    "sequence",
    "member_id",
    "kind",
    "voucher_date",
    "due_date",
    "currency",
    "amount",
    "paid_directly",
    "cancelled",
    "disputed",
    "is_handover_fee",
    "details",
)
"""The columns of `claims` and `claim_snapshots` that `claim_row` has values of."""


def member_row(message: Message[MemberSnapshotV1]) -> Row:
    """Return what is saved of a member."""
    member = message.event
    name = display_name(member.first_name, member.name1)
    return (
        message.tenant_id,
        member.member_id,
        member.sequence,
        member.studio_id,
        member.membership_number,
        name,
        spell_out(member.name1),
        search_text(name, member.membership_number),
        member.dunning.last_level_passed_on,
        blocked_until(member),
        member.birth_date and of_age_on(member.birth_date),
        member.legal_guardian is not None,
        is_complete(member.address),
        is_complete(guardian_address(member)),
        versions.person(member),
        versions.legal_guardian(member),
    )


def claim_row(message: Message[ClaimSnapshotV1]) -> Row:
    """Return what is saved of a claim; amounts as they are written."""
    claim = message.event
    return (
        message.tenant_id,
        claim.claim_id,
        claim.sequence,
        claim.member_id,
        claim.kind,
        claim.voucher_date,
        claim.due_date,
        claim.amount.currency,
        str(claim.amount.amount),
        str(claim.paid_directly.amount),
        claim.cancelled,
        claim.disputed,
        False,
        versions.claim_details(claim),
    )
