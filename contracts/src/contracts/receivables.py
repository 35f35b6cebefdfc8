"""Snapshots of claims, from the system that owns them; the newest sequence wins."""

from typing import Self
from uuid import UUID

from pydantic import model_validator

from contracts.event import Event
from contracts.money import require_one_currency
from contracts.parts import ClaimDetails, Sequence


class ClaimSnapshotV1(ClaimDetails, Event):
    """A claim as it is now. What collection took in on it is not part of it."""

    TYPE = "claim.snapshot.v1"
    TOPIC = "receivables.claim.v1"
    KEY = ("claim_id",)

    sequence: Sequence
    """Grows with each snapshot of this claim; the highest is the truth."""
    member_id: UUID
    """Member that owes the claim."""
    studio_id: UUID
    """Studio to which the claim is owed."""
    cancelled: bool
    """Whether the claim was cancelled: nothing of it is owed any more."""
    disputed: bool
    """Whether the member disputes the claim: it is not handed over."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        require_one_currency((self.amount, self.paid_directly))
        return self
