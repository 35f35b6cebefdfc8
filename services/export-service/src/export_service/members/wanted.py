"""Which cases of the members overview are asked for (R42)."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import (
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from export_service.members.case import CaseStatus
from kit.http import Body, Day
from kit.search_text import MAX_SEARCH


class WantedMembers(Body):
    """The filters of an export of the overview; what is left out means any.

    They mean what they mean in case-service.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    status: Annotated[tuple[CaseStatus, ...], Field(max_length=len(CaseStatus))] = ()
    """Status of the case: any of these."""
    partner_id: UUID | None = None
    """Partner that works the case."""
    studio_id: UUID | None = None
    """Studio to which is owed."""
    run_id: UUID | None = None
    """Run that handed the member over."""
    first_day: Annotated[Day | None, Field(alias="from")] = None
    """First day of the handover."""
    last_day: Annotated[Day | None, Field(alias="to")] = None
    """Last day of the handover."""
    open_again: bool | None = None
    """Whether the case has ended and something is open."""
    search: Annotated[str | None, Field(max_length=MAX_SEARCH)] = None
    """Words that the name and the membership number hold together; accents and case do not
    matter. A part of a word is enough, its beginning for one or two letters."""

    @field_validator("last_day")
    @classmethod
    def _not_before_first_day(cls, day: date | None, info: ValidationInfo) -> date | None:
        first_day = info.data.get("first_day")
        if day is not None and first_day is not None and day < first_day:
            raise ValueError("Must not be before `from`")
        return day
