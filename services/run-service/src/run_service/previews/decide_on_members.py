"""Staff leave many members out of a run, or take them in, at once (R2, R3)."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal
from kit.problems import INVALID, FieldError, problem
from run_service.previews.decide_on_member import FOR_GOOD
from run_service.previews.open_preview import open_preview
from run_service.previews.resources import MembersDecision
from run_service.previews.store import PreviewedMember, find_members, save_decision_on_all
from run_service.problems import MEMBER_CANNOT_BE_TAKEN_IN


async def decide_on_members(
    connection: AsyncConnection,
    principal: Principal,
    preview_id: UUID,
    decision: MembersDecision,
) -> None:
    """Leave members of a preview out, or take them in: those that are named, or all.

    Whoever is left out or in already keeps the earlier decision. Taking all in passes over minors
    without a legal guardian, who go in one by one, and over whom no case can hold.

    Raises the 422 that names the ids (`member_ids.0`) that are not in the preview, or of minors
    to be taken in; the 409 that lists the members who cannot be handed over.
    """
    await open_preview(connection, principal, preview_id)
    if decision.member_ids is not None:
        found = await find_members(connection, principal.tenant_id, preview_id, decision.member_ids)
        _check(decision.member_ids, found, left_out=decision.left_out)
    await save_decision_on_all(connection, principal, preview_id, decision, FOR_GOOD)


def _check(
    member_ids: Sequence[UUID], found: Mapping[UUID, PreviewedMember], *, left_out: bool
) -> None:
    errors = []
    for_good = []
    for number, member_id in enumerate(member_ids):
        member = found.get(member_id)
        if member is None:
            errors.append(FieldError(f"member_ids.{number}", "Not in this preview"))
        elif left_out:
            continue
        elif member.left_out_reason in FOR_GOOD:
            for_good.append(member_id)
        elif member.minor:
            message = "A minor without a legal guardian is taken in alone, with a reason"
            errors.append(FieldError(f"member_ids.{number}", message))
    if errors:
        raise problem(INVALID, errors=errors)
    if for_good:
        raise problem(MEMBER_CANNOT_BE_TAKEN_IN, extensions={"member_ids": for_good})
