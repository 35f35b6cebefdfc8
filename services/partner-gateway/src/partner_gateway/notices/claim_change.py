"""What a partner is told of a claim that changed while it holds the case (R27, R28)."""

from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts import CaseClaimChangedV1, Money


class ClaimChange(BaseModel):
    """A claim as it is since the change, and what is open."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    claim_id: UUID
    """Id of the claim, as in the handover."""
    snapshot_sequence: int
    """Grows with each change of the claim; the highest is the truth."""
    amount: Money
    """Amount of the claim now, after all corrections."""
    paid_directly: Money
    """What was paid on the claim at the studio by now, in sum."""
    cancelled: bool
    """Whether the claim is cancelled."""
    paid: Money | None
    """What was paid at the studio with this change; only where the kind is STUDIO_PAYMENT."""
    open_before: Money
    """What was open on the claim before."""
    open: Money
    """What is open on the claim now."""
    case_open: Money
    """What is open on the case now: the sum over its claims."""

    @property
    def kind(self) -> Literal["STUDIO_PAYMENT", "CLAIM_CHANGED"]:
        """The kind of the notice that tells it."""
        return "CLAIM_CHANGED" if self.paid is None else "STUDIO_PAYMENT"

    @classmethod
    def of(cls, event: CaseClaimChangedV1) -> Self:
        """Return what the event says to a partner."""
        return cls(
            claim_id=event.claim_id,
            snapshot_sequence=event.snapshot_sequence,
            amount=event.amount,
            paid_directly=event.paid_directly,
            cancelled=event.cancelled,
            paid=_paid(event),
            open_before=event.open_before,
            open=event.open,
            case_open=event.case_open,
        )


def _paid(event: CaseClaimChangedV1) -> Money | None:
    """Return what was paid at the studio, if that is known and all that changed (R27).

    A cancelled claim, one that is not cancelled any more (more is open on it than before), and a
    payment that was taken back are changes of the claim: what matters to the partner is the rest.
    """
    before = event.paid_directly_before
    if before is None or event.paid_directly.amount <= before.amount:
        return None
    if event.amount != event.amount_before or event.cancelled:
        return None
    if event.open.amount > event.open_before.amount:
        return None
    return Money(
        amount=event.paid_directly.amount - before.amount, currency=event.paid_directly.currency
    )
