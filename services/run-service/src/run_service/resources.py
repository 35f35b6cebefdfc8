"""What the API takes and gives."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts import Money
from run_service.candidates.selection import LeftOut


class Resource(BaseModel):
    """The base of what the API gives."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


# Candidates


class LeftOutCandidates(Resource):
    """Members that have passed the last dunning level, and are left out all the same."""

    reason: LeftOut
    members: int


class StudioCandidates(Resource):
    """A studio's members that can be handed over."""

    studio_id: UUID
    name: str
    members: int
    claims: int
    totals: tuple[Money, ...]
    """What they owe: one sum for each currency."""
    left_out: tuple[LeftOutCandidates, ...]


class CandidatesSummary(Resource):
    """Who can be handed over now (R1)."""

    members: int
    claims: int
    totals: tuple[Money, ...]
    """What they owe: one sum for each currency."""
    studios: tuple[StudioCandidates, ...]
    left_out: tuple[LeftOutCandidates, ...]
