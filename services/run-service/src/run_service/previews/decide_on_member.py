"""Staff leave a member out of a run, or take it in (R2, R3)."""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal
from kit.problems import not_found, problem, unprocessable
from run_service.candidates.selection import LeftOut
from run_service.previews.open_preview import open_preview
from run_service.previews.resources import Decision
from run_service.previews.store import find_members, save_decision
from run_service.problems import MEMBER_CANNOT_BE_TAKEN_IN

FOR_GOOD: Final = frozenset(
    {
        LeftOut.MIXED_CURRENCIES,
        LeftOut.TOO_MANY_CLAIMS,
        LeftOut.AMOUNT_TOO_LARGE,
        LeftOut.INCOMPLETE_ADDRESS,
    }
)
"""What has to be mended where members and claims are kept, before a new preview."""


async def decide_on_member(
    connection: AsyncConnection,
    principal: Principal,
    preview_id: UUID,
    member_id: UUID,
    decision: Decision,
) -> None:
    """Leave a member of a preview out, or take it in; the last decision counts.

    A minor without a legal guardian stays one: whoever leaves it out, it needs a reason each time
    it is taken in (R3).

    Raises the 422 that names `reason` when a minor without a legal guardian is taken in without
    one, the 409 for a member that cannot be handed over in one case.
    """
    await open_preview(connection, principal, preview_id)
    found = await find_members(connection, principal.tenant_id, preview_id, [member_id])
    member = found.get(member_id)
    if member is None:
        raise not_found()
    if member.left_out_reason in FOR_GOOD:
        if decision.left_out:
            return
        raise problem(MEMBER_CANNOT_BE_TAKEN_IN)
    if member.minor and not decision.left_out and not (decision.reason or "").strip():
        raise unprocessable("reason", "Taking in a minor without a legal guardian needs a reason")
    left_out_reason = LeftOut.MINOR_WITHOUT_GUARDIAN if member.minor else LeftOut.BY_STAFF
    await save_decision(
        connection,
        principal.tenant_id,
        preview_id,
        member_id,
        {
            "left_out": decision.left_out,
            "left_out_reason": left_out_reason.value if decision.left_out else None,
            "decided_by": principal.subject,
            "decided_as": sorted(principal.roles),
            "decision_reason": decision.reason,
        },
    )
