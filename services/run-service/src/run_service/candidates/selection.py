"""Who can be handed over: the one selection behind summary, preview and the check before a run.

A candidate has passed the last dunning level by today, has no collection block today, and owes at
least one claim that is open, neither cancelled nor disputed, of a kind that goes, and in no other
handover (R1, R11). It counts once the member and its studio are known, in whatever order they came
(R12). Each condition reads the member's own row; candidates/recount.py keeps what its claims say.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.parts import MAX_CLAIMS
from kit import clock
from kit.auth import Principal
from run_service.tenant_settings.tenant_settings import TenantSettings, find_tenant_settings


class LeftOut(StrEnum):
    """Why a member is left out."""

    BLOCKED = "BLOCKED"
    """The system that owns members has blocked its collection."""
    DISPUTED = "DISPUTED"
    """It disputes its claims, or some, where the tenant wants those to hold the others back."""
    MIXED_CURRENCIES = "MIXED_CURRENCIES"
    """A case has one currency."""
    TOO_MANY_CLAIMS = "TOO_MANY_CLAIMS"
    """More claims than one handover can hold."""
    AMOUNT_TOO_LARGE = "AMOUNT_TOO_LARGE"
    """More than anybody owes: the claims are wrong."""
    BELOW_MINIMUM = "BELOW_MINIMUM"
    """It owes less than the tenant hands over."""
    INCOMPLETE_ADDRESS = "INCOMPLETE_ADDRESS"
    """No letter would reach who is liable."""
    MINOR_WITHOUT_GUARDIAN = "MINOR_WITHOUT_GUARDIAN"
    """Staff can take the member in, with a reason (R3)."""
    BY_STAFF = "BY_STAFF"
    CHANGED = "CHANGED"
    """The member changed between preview and run."""


NO_CANDIDATES: Final = frozenset({LeftOut.BLOCKED, LeftOut.DISPUTED, LeftOut.BELOW_MINIMUM})
"""Whom a preview does not show; it shows all others who are left out, with the reason."""

TOO_LARGE_TOTAL: Final = 10**9
"""Nobody owes that much; sums of hundreds of members below it still are amounts of a contract."""

# Conditions in SQL on a row of `members` that is called `member`; `Scope.parameters` are theirs.

MINOR: Final = """(
    NOT member.has_guardian AND coalesce(member.of_age_on > least(member.arose_on, :today), false))
"""
_LIABLE_HAS_ADDRESS: Final = """
    CASE WHEN member.has_guardian AND member.of_age_on > least(member.arose_on, :today)
         THEN member.guardian_has_address ELSE member.has_address END
"""
LEFT_OUT_REASON: Final = f"""
    CASE
        WHEN member.blocked_until >= :today THEN 'BLOCKED'
        WHEN member.claim_ids = '{{}}' THEN 'DISPUTED'
        WHEN :disputed_hold AND member.disputed_count > 0 THEN 'DISPUTED'
        WHEN member.currency IS NULL THEN 'MIXED_CURRENCIES'
        WHEN cardinality(member.claim_ids) > {MAX_CLAIMS} THEN 'TOO_MANY_CLAIMS'
        WHEN member.total >= {TOO_LARGE_TOTAL} THEN 'AMOUNT_TOO_LARGE'
        WHEN member.total < CAST(CAST(:minimums AS jsonb) ->> member.currency AS numeric)
        THEN 'BELOW_MINIMUM'
        WHEN NOT {_LIABLE_HAS_ADDRESS} THEN 'INCOMPLETE_ADDRESS'
        WHEN {MINOR} THEN 'MINOR_WITHOUT_GUARDIAN'
    END
"""
# Members of a run count as handed over from the moment it is made, though their claims are
# reserved a batch at a time.
IS_GOING: Final = """
    member.member_id IN (
        SELECT goes.member_id FROM runs AS going
        JOIN preview_members AS goes USING (tenant_id, preview_id)
        WHERE going.tenant_id = :tenant_id AND going.published < going.member_count
          AND NOT goes.left_out AND goes.place > going.last_place)
"""
OWES_SOMETHING: Final = """(
    member.sequence IS NOT NULL AND (member.claim_ids <> '{}' OR member.disputed_count > 0)
    AND (:any_level OR member.last_level_passed_on <= :today))
"""
CANDIDATES: Final = f"""
    SELECT member.*, {MINOR} AS minor,
           CASE WHEN member.of_age_on > member.arose_on AND member.of_age_on <= :today
                THEN member.of_age_on END AS came_of_age_on,
           {LEFT_OUT_REASON} AS left_out_reason
    FROM members AS member
    WHERE member.tenant_id = :tenant_id AND {OWES_SOMETHING}
      AND (CAST(:studio_ids AS uuid[]) IS NULL OR member.studio_id = ANY (:studio_ids))
      AND NOT {IS_GOING}
"""  # noqa: S608 - constants
"""The members that may be handed over, with the reason that speaks against it, if one does."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose candidates, on which day."""

    tenant_id: UUID
    today: date
    studio_ids: Collection[UUID] | None = None
    """None means all studios."""
    any_level: bool = False
    """Whether members count that have not passed the last dunning level."""
    settings: TenantSettings = field(default_factory=TenantSettings)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the conditions ask for."""
        minimums = {} if self.any_level else self.settings.minimum_amounts
        return {
            "tenant_id": self.tenant_id,
            "today": self.today,
            "studio_ids": None if self.studio_ids is None else list(self.studio_ids),
            "any_level": self.any_level,
            "disputed_hold": self.settings.disputed_claims_hold_member,
            "minimums": json.dumps({name: str(amount) for name, amount in minimums.items()}),
        }


async def scope_of(
    connection: AsyncConnection, principal: Principal, default_time_zone: str
) -> Scope:
    """Return the candidates that the caller may see, today in the tenant's time zone."""
    settings = await find_tenant_settings(connection, principal.tenant_id)
    return Scope(
        tenant_id=principal.tenant_id,
        today=clock.today(settings.time_zone or default_time_zone),
        studio_ids=principal.studio_ids,
        settings=settings,
    )
