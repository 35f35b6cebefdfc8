"""What is handed over of one member: the event, built from what the preview froze."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from contracts import (
    ClaimSnapshotV1,
    HandoverClaim,
    HandoverDebtor,
    HandoverStudio,
    LegalGuardian,
    MemberHandedOverV1,
    MemberSnapshotV1,
    Money,
)
from contracts.parts import ClaimDetails, PersonDetails
from run_service.candidates.member import display_name, is_minor
from run_service.runs.store import LockedRun

_NAME_LENGTH = 200
"""What a name in a contract may hold at most."""


@dataclass(frozen=True, slots=True)
class FrozenClaim:
    """A claim as the preview showed it."""

    snapshot: ClaimSnapshotV1
    voucher_id: UUID
    to_collect: Decimal


@dataclass(frozen=True, slots=True)
class FrozenMember:
    """A member of a run as the preview showed it."""

    case_id: UUID
    booking_number: int
    transfer_id: UUID
    snapshot: MemberSnapshotV1
    studio: HandoverStudio
    claims: Sequence[FrozenClaim]


def member_handed_over(run: LockedRun, member: FrozenMember) -> MemberHandedOverV1:
    """Return the event that hands a member of a run over."""
    return MemberHandedOverV1(
        run_id=run.run_id,
        case_id=member.case_id,
        transfer_id=member.transfer_id,
        run_booking_number=run.booking_number,
        booking_number=member.booking_number,
        partner_id=run.partner_id,
        partner_channel=run.partner_channel,
        trigger=run.trigger,
        collection_date=run.collection_date,
        member_id=member.snapshot.member_id,
        studio=member.studio,
        debtor=_debtor(
            member.snapshot,
            arose_on=min(claim.snapshot.voucher_date for claim in member.claims),
            today=run.collection_date,
        ),
        claims=tuple(_claim(claim) for claim in member.claims),
    )


def _debtor(member: MemberSnapshotV1, *, arose_on: date, today: date) -> HandoverDebtor:
    """Return who owes: the legal guardian of a minor, by the same rule as in the preview (R3)."""
    guardian = member.legal_guardian
    if guardian is None or not is_minor(member.birth_date, arose_on, today):
        return HandoverDebtor(
            debtor_id=member.member_id,
            liable_person="MEMBER",
            **_values_of(member, PersonDetails),
        )
    return _represented_by(guardian, member)


def _represented_by(guardian: LegalGuardian, member: MemberSnapshotV1) -> HandoverDebtor:
    """Return the guardian as the debtor.

    It lives where the minor lives unless another address is known; account and mandate are those
    from which the membership is paid.
    """
    return HandoverDebtor(
        debtor_id=member.member_id,
        liable_person="LEGAL_GUARDIAN",
        membership_number=member.membership_number,
        first_name=guardian.first_name,
        name1=guardian.name1,
        sex="UNKNOWN",
        birth_date=guardian.birth_date,
        address=guardian.address or member.address,
        email=guardian.email,
        phone_numbers=guardian.phone_numbers,
        bank_account=member.bank_account,
        mandate=member.mandate,
        represented_member_name=display_name(member.first_name, member.name1)[:_NAME_LENGTH],
    )


def _claim(claim: FrozenClaim) -> HandoverClaim:
    return HandoverClaim(
        snapshot_sequence=claim.snapshot.sequence,
        voucher_id=claim.voucher_id,
        to_collect=Money(amount=claim.to_collect, currency=claim.snapshot.amount.currency),
        **_values_of(claim.snapshot, ClaimDetails),
    )


def _values_of(source: BaseModel, details: type[BaseModel]) -> dict[str, Any]:
    return {name: getattr(source, name) for name in details.model_fields}
