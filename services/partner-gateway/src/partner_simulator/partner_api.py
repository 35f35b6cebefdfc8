"""The bodies that the agency takes, as far as it looks at them; it passes over other fields."""

from decimal import Decimal
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

NOTICE_KINDS = frozenset({"STOP", "STUDIO_PAYMENT", "CLAIM_CHANGED"})
"""The kinds of notices that are known; others are taken note of as well."""


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
    """`POST /v1/handovers`."""

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
