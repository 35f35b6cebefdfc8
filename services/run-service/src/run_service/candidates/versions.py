"""What is kept of each version of a snapshot: the parts that a handover repeats, as JSON.

A handover is put together from these texts by the SQL of runs/publish_handovers.py, with what
runs/handover.py puts between them. They are written by the contracts' models from snapshots that
were checked when they came in, so they are not checked again.
"""

from typing import Final

from pydantic import TypeAdapter

from contracts import ClaimSnapshotV1, MemberSnapshotV1
from contracts.parts import ClaimDetails, PersonDetails

_PERSON: Final = TypeAdapter(PersonDetails).serializer
_CLAIM: Final = TypeAdapter(ClaimDetails).serializer


def person(member: MemberSnapshotV1) -> str:
    """Return what is known of the member itself, as `PersonDetails`."""
    return _PERSON.to_json(member).decode()


def legal_guardian(member: MemberSnapshotV1) -> str | None:
    """Return its legal guardian, as `LegalGuardian`."""
    return None if member.legal_guardian is None else member.legal_guardian.model_dump_json()


def claim_details(claim: ClaimSnapshotV1) -> str:
    """Return what is known of a claim, as `ClaimDetails`."""
    return _CLAIM.to_json(claim).decode()
