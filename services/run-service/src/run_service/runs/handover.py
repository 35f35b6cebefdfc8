"""What is handed over of one member: the event, written from what the preview froze.

An event repeats studio, member and claims as they came in. Their texts were written by the
contracts' models and kept (candidates/versions.py), and are put in as they are: to read and write
them again would take as long as all else together. PostgreSQL, where they are, puts them in
(`format`, in the statement of runs/publish_handovers.py), and publishes what it wrote. So the event
is the text that its model would write; what a run's events have in common is checked by the model
for each batch.

An event is, in this order: start, studio, what follows it, person, what follows that, the claims,
each with what follows its details and parted by what stands between two, and the end. Of person and
details the last brace is left out.
"""

from typing import Final

from contracts import HandoverDebtor, LegalGuardian, MemberHandedOverV1
from run_service.candidates.member import display_name, is_minor
from run_service.runs.store import LockedRun

AFTER_STUDIO: Final = ',"debtor":'
DEBTOR_FORMAT: Final = (
    ',"debtor_id":"%s","liable_person":"MEMBER","represented_member_name":null},"claims":['
)
"""What follows the person; open is the member's id."""
CLAIM_FORMAT: Final = (
    ',"snapshot_sequence":%s,"voucher_id":"%s","to_collect":{"amount":"%s","currency":"%s"}}'
)
"""What follows the details of each claim; open are sequence, voucher, amount and currency."""
BETWEEN_CLAIMS: Final = b","
END: Final = b"]}"
"""What follows the last claim."""
_NAME_LENGTH: Final = 200
"""What a name in a contract may hold at most."""


def start_format(run: LockedRun) -> str:
    """Return what comes before the studio; all events of a run have most of it in common.

    Open are, in this order: case, transfer, number and id of the member. What is put in here holds
    no `%`, which would be taken for one more that is open: it is ids, a date, a number that was
    counted, and words of the contract.
    """
    return (
        f'{{"run_id":"{run.run_id}","case_id":"%s","transfer_id":"%s",'
        f'"run_booking_number":"{run.booking_number}","booking_number":%s,'
        f'"partner_id":"{run.partner_id}","partner_channel":"{run.partner_channel}",'
        f'"trigger":"{run.trigger}","collection_date":"{run.collection_date}",'
        '"member_id":"%s","studio":'
    )


def with_guardian(payload: bytes, legal_guardian: str) -> MemberHandedOverV1:
    """Return a written event with who owes: the legal guardian of a minor (R3).

    The rule is that of the preview. Raises the ValidationError of the contract.
    """
    event = MemberHandedOverV1.model_validate_json(payload)
    arose_on = min(claim.voucher_date for claim in event.claims)
    if not is_minor(event.debtor.birth_date, arose_on, today=event.collection_date):
        return event
    guardian = LegalGuardian.model_validate_json(legal_guardian)
    return event.model_copy(update={"debtor": _guardian_of(event.debtor, guardian)})


def _guardian_of(member: HandoverDebtor, guardian: LegalGuardian) -> HandoverDebtor:
    """Return the guardian as the debtor.

    It lives where the minor lives unless another address is known; account and mandate are those
    from which the membership is paid.
    """
    return HandoverDebtor(
        debtor_id=member.debtor_id,
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
