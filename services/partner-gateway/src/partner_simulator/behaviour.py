"""How the simulated partner behaves, and the bodies it takes."""

import base64
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _is_secret(secret: str) -> str:
    if not base64.b64decode(secret.removeprefix("whsec_"), validate=True):
        raise ValueError("must be whsec_ and base64")
    return secret


class Answer(StrEnum):
    """How a handover is answered."""

    CALLBACK = "CALLBACK"
    """202 at once; each case is accepted or rejected by callback."""
    ACCEPT_NOW = "ACCEPT_NOW"
    """200 with the result of each case."""
    SILENT = "SILENT"
    """202, and never a word again."""
    UNAVAILABLE = "UNAVAILABLE"
    """503, and nothing is taken; of notices neither."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Behaviour(_Settings):
    """What can be changed while the simulator runs, with `POST /behaviour`."""

    callback_url: str | None = None
    """Where callbacks go: `…/v1/partners/{partner_id}/callbacks` of the gateway."""
    secret: Annotated[str, AfterValidator(_is_secret)] | None = Field(default=None, repr=False)
    """The secret of the partner, `whsec_…`; until it is known every request is a 401."""
    answer: Answer = Answer.CALLBACK
    reject_every: int = Field(default=0, ge=0)
    """Each so-manieth case is refused; 0: none."""
    pay_percent: int = Field(default=0, ge=0, le=100)
    """How much of an accepted case is paid right away, by callback; in whole cents."""
    answer_twice: bool = False
    """Whether each callback is sent twice, though the first one arrived."""
    acknowledge_notices: bool = True
    """Whether notices are acknowledged, or only taken."""


class BehaviourChange(_Settings):
    """The fields of `Behaviour` that are to change."""

    callback_url: str | None = None
    secret: Annotated[str, AfterValidator(_is_secret)] | None = Field(default=None, repr=False)
    answer: Answer | None = None
    reject_every: int | None = Field(default=None, ge=0)
    pay_percent: int | None = Field(default=None, ge=0, le=100)
    answer_twice: bool | None = None
    acknowledge_notices: bool | None = None


Amount = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2)]


class NewPayment(_Settings):
    """A payment of a debtor, for `POST /payments`."""

    case_id: UUID
    amount: Amount
    own_fees: Amount = Decimal("0.00")
    """What the partner keeps for itself; not part of the amount."""
    currency: str | None = Field(default=None, pattern="^[A-Z]{3}$")
    """Default: that of the case."""
    paid_on: date | None = None
    """Default: today."""
    partner_reference: str | None = Field(default=None, min_length=1, max_length=100)
    """Default: a new one, made of the case and a count."""


class NewCallback(_Settings):
    """Any callback, for `POST /callbacks`: corrections, closures, whole runs, nonsense."""

    type: str
    data: dict[str, Any]


class Money(BaseModel):
    """An amount and its currency."""

    amount: Decimal
    currency: str


class HandedOverClaim(BaseModel):
    """What the simulator looks at in a claim."""

    to_collect: Money


class HandedOverCase(BaseModel):
    """What the simulator looks at in a case."""

    case_id: UUID
    claims: list[HandedOverClaim] = Field(min_length=1)


class Handover(BaseModel):
    """`POST /v1/handovers`, as far as the simulator looks at it."""

    class Run(BaseModel):
        """The run that the cases belong to."""

        run_id: UUID

    request_id: UUID
    run: Run
    items: list[HandedOverCase] = Field(min_length=1, max_length=200)


class ClaimChange(BaseModel):
    """What a notice says of a claim."""

    claim_id: UUID
    snapshot_sequence: int
    amount: Money
    paid_directly: Money
    cancelled: bool
    paid: Money | None = None
    open_before: Money
    open: Money
    case_open: Money


class Notice(BaseModel):
    """`POST /v1/notices`; a kind that is not known is taken note of, and changes nothing."""

    request_id: UUID
    notice_id: UUID
    kind: str
    case_id: UUID
    claim_change: ClaimChange | None = None

    @model_validator(mode="after")
    def _says_what_changed(self) -> Self:
        change = self.claim_change
        if self.kind in {"STUDIO_PAYMENT", "CLAIM_CHANGED"} and change is None:
            raise ValueError("claim_change is missing")
        if self.kind == "STUDIO_PAYMENT" and (change is None or change.paid is None):
            raise ValueError("paid is missing")
        return self
