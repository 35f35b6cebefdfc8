"""What is handed over of one member: the event, written from what the preview froze.

An event repeats studio, member and claims as they came in. Their texts were written by the
contracts' models and kept (candidates/versions.py), and are put in as they are: to read and write
them again would take as long as all else together. So the event is the text that its model would
write; what a run's events have in common is checked by the model for each batch.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from contracts import HandoverDebtor, LegalGuardian, MemberHandedOverV1
from contracts.parts import ClaimDetails, PersonDetails
from run_service.candidates.member import display_name, is_minor
from run_service.runs.store import LockedRun

_NAME_LENGTH: Final = 200
"""What a name in a contract may hold at most."""


class FrozenMember(NamedTuple):
    """A member of a run as the preview showed it; ids and amounts as they are written.

    The claims are one list in each field, in one order.
    """

    member_id: str
    case_id: str
    booking_number: int
    place: int
    studio_id: str
    transfer_id: str
    person: str
    legal_guardian: str | None
    currency: str
    claims: Sequence[str]
    claim_sequences: Sequence[int]
    claim_amounts: Sequence[str]
    voucher_ids: Sequence[str]


def members_handed_over(
    run: LockedRun, members: Sequence[FrozenMember], studios: dict[str, str]
) -> list[bytes]:
    """Return the events that hand members of a run over; `studios` are `HandoverStudio`s by id.

    Raises the ValidationError of the contract for what is wrong in all of them.
    """
    # What all of them say is written once.
    run_id = str(run.run_id)
    order = (
        f'"partner_id":"{run.partner_id}","partner_channel":"{run.partner_channel}",'
        f'"trigger":"{run.trigger}","collection_date":"{run.collection_date}"'
    )
    payloads = [
        (
            f'{{"run_id":"{run_id}","case_id":"{member.case_id}",'
            f'"transfer_id":"{member.transfer_id}","run_booking_number":"{run.booking_number}",'
            f'"booking_number":{member.booking_number},{order},"member_id":"{member.member_id}",'
            f'"studio":{studios[member.studio_id]},"debtor":{_debtor(run, member)},'
            f'"claims":[{_claims(member)}]}}'
        ).encode()
        for member in members
    ]
    MemberHandedOverV1.model_validate_json(payloads[0])
    return payloads


def _claims(member: FrozenMember) -> str:
    # A sequence below 0 is that of a fee of this handover, of which there was no snapshot.
    return ",".join(
        [
            f'{details[:-1]},"snapshot_sequence":{max(sequence, 0)},'
            f'"voucher_id":"{voucher_id}",'
            f'"to_collect":{{"amount":"{amount}","currency":"{member.currency}"}}}}'
            for details, sequence, voucher_id, amount in zip(
                member.claims,
                member.claim_sequences,
                member.voucher_ids,
                member.claim_amounts,
                strict=True,
            )
        ]
    )


def _debtor(run: LockedRun, member: FrozenMember) -> str:
    """Return who owes: the legal guardian of a minor, by the same rule as in the preview (R3)."""
    if member.legal_guardian is not None:
        person = PersonDetails.model_validate_json(member.person)
        claims = map(ClaimDetails.model_validate_json, member.claims)
        arose_on = min(claim.voucher_date for claim in claims)
        if is_minor(person.birth_date, arose_on, today=run.collection_date):
            guardian = LegalGuardian.model_validate_json(member.legal_guardian)
            return _with_guardian(member.member_id, person, guardian)
    return (
        f'{member.person[:-1]},"debtor_id":"{member.member_id}","liable_person":"MEMBER",'
        '"represented_member_name":null}'
    )


def _with_guardian(member_id: str, person: PersonDetails, guardian: LegalGuardian) -> str:
    """Return the guardian as the debtor.

    It lives where the minor lives unless another address is known; account and mandate are those
    from which the membership is paid.
    """
    return HandoverDebtor(
        debtor_id=UUID(member_id),
        liable_person="LEGAL_GUARDIAN",
        membership_number=person.membership_number,
        first_name=guardian.first_name,
        name1=guardian.name1,
        sex="UNKNOWN",
        birth_date=guardian.birth_date,
        address=guardian.address or person.address,
        email=guardian.email,
        phone_numbers=guardian.phone_numbers,
        bank_account=person.bank_account,
        mandate=person.mandate,
        represented_member_name=display_name(person.first_name, person.name1)[:_NAME_LENGTH],
    ).model_dump_json()
