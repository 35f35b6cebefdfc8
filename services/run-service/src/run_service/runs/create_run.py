"""Make a run of a preview: number it, and say so; its members follow (R4, R11).

From the moment a run is made its members are going with it: nobody else can hand them over, though
their claims are reserved a batch at a time. So making a run takes no longer than comparing it.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import MAX_STUDIOS, RunCreatedV1, RunStudio
from contracts.parts import Trigger
from kit import outbox
from kit.auth import Principal
from kit.clock import now
from kit.ids import new_id
from kit.problems import Problem, ProblemType, problem
from kit.trace import Cause
from run_service.candidates.selection import Scope, scope_of
from run_service.candidates.store import find_partner
from run_service.money import sums_of
from run_service.previews.open_preview import open_preview
from run_service.previews.store import Preview, leave_out
from run_service.problems import (
    CLAIMS_ALREADY_IN_COLLECTION,
    MEMBERS_CHANGED,
    NOBODY_TO_HAND_OVER,
    PARTNER_PAUSED,
    TOO_MANY_STUDIOS,
)
from run_service.runs import store
from run_service.runs.changed_members import Change, ChangedMember, changed_members
from run_service.runs.resources import RunOrder
from run_service.runs.run import booking_number

_NAMED_AT_MOST: Final = 500
"""Members that a refusal names; `members_total` says how many there are."""


async def create_run(
    connection: AsyncConnection,
    principal: Principal,
    order: RunOrder,
    default_time_zone: str,
    cause: Cause,
) -> UUID:
    """Make a run of a preview, and return its id; its members are handed over after that.

    Raises the 409 that names the members that changed, or stand in another handover by now, unless
    they are to be left out; the 404, 409 or 410 for a preview that no run can be made of; the 409
    when nobody is left, or for a paused partner.
    """
    await store.lock_making(connection, principal.tenant_id)
    preview = await open_preview(connection, principal, order.preview_id)
    scope = await scope_of(connection, principal, default_time_zone)
    await _leave_out_changed(connection, scope, order)
    return await make_run(connection, principal, preview, scope.today, "RUN", cause)


async def make_run(
    connection: AsyncConnection,
    principal: Principal,
    preview: Preview,
    today: date,
    trigger: Trigger,
    cause: Cause,
) -> UUID:
    """Make a run of all that a preview does not leave out, under the lock on making runs."""
    tenant_id = principal.tenant_id
    partner = await find_partner(connection, tenant_id, preview.partner_id)
    assert partner is not None, "previews are of known partners, and partners never go"
    if partner.status == "PAUSED":
        raise problem(PARTNER_PAUSED)
    member_count = await store.count_members(connection, tenant_id, preview.preview_id)
    if not member_count:
        raise problem(NOBODY_TO_HAND_OVER)
    count = await store.next_booking_count(connection, tenant_id, today.year)
    run = store.NewRun(
        run_id=new_id(),
        booking_number=booking_number(today.year, count),
        preview_id=preview.preview_id,
        partner_id=preview.partner_id,
        partner_channel=partner.channel,
        trigger=trigger,
        collection_date=today,
        created_at=now(),
        created_by=principal.subject,
        member_count=member_count,
    )
    await store.insert_run(connection, tenant_id, run, cause)
    studios = await store.load_studios(connection, tenant_id, run.run_id)
    if len(studios) > MAX_STUDIOS:
        raise problem(TOO_MANY_STUDIOS)
    await outbox.publish(connection, [(_run_created(run, studios), cause)])
    return run.run_id


async def _leave_out_changed(connection: AsyncConnection, scope: Scope, order: RunOrder) -> None:
    """Take the members that are not what the preview shows out of it, or refuse the run."""
    changed = await changed_members(connection, order.preview_id, scope)
    if changed and not order.leave_out_changed:
        only_reserved = all(member.reason is Change.IN_COLLECTION for member in changed)
        raise _refusal(CLAIMS_ALREADY_IN_COLLECTION if only_reserved else MEMBERS_CHANGED, changed)
    member_ids = [member.member_id for member in changed]
    await leave_out(connection, scope.tenant_id, order.preview_id, member_ids)


def _refusal(kind: ProblemType, members: Sequence[ChangedMember]) -> Problem:
    """Name the members to the staff who asked; the names go nowhere else."""
    return problem(
        kind,
        extensions={
            "members": [
                {
                    "member_id": member.member_id,
                    "name": member.name,
                    "reason": member.reason.value,
                }
                for member in members[:_NAMED_AT_MOST]
            ],
            "members_total": len(members),
        },
    )


def _run_created(run: store.NewRun, studios: Sequence[RunStudio]) -> RunCreatedV1:
    return RunCreatedV1(
        run_id=run.run_id,
        booking_number=run.booking_number,
        partner_id=run.partner_id,
        partner_channel=run.partner_channel,
        trigger=run.trigger,
        collection_date=run.collection_date,
        created_at=run.created_at,
        created_by=run.created_by,
        member_count=run.member_count,
        claim_count=sum(studio.claim_count for studio in studios),
        totals=sums_of(money for studio in studios for money in studio.totals),
        studios=tuple(studios),
    )
