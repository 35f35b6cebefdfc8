"""Tick off notices: staff told the partner by hand (R52)."""

from collections.abc import Mapping
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.parts import LongText, Name
from kit import outbox
from kit.auth import Principal
from kit.clock import now
from kit.http import Body
from kit.problems import NOT_FOUND, FieldError, define, problem
from kit.trace import Cause
from partner_gateway.notices import store
from partner_gateway.notices.notice import CaseNotice, Status

MOST_AT_ONCE: Final = 500
"""Notices that are ticked off in one request."""
_TRIMMED: Final = StringConstraints(strip_whitespace=True)

NOTICE_IS_SENT = define(
    "notice-is-sent",
    409,
    "The partner's API is being told",
    "Wait: the notice becomes ACKNOWLEDGED, or FAILED and can then be ticked off.",
)


class Done(Body):
    """How the partner was told."""

    told_to: Annotated[Name, _TRIMMED] | None = None
    """Who at the partner was told."""
    comment: Annotated[LongText, _TRIMMED] | None = None
    """For colleagues: when, and by which way."""


class ManyDone(Done):
    """How the partner was told several things at once."""

    notice_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_AT_ONCE)]
    """The notices; the same one twice counts once."""


async def mark_notices_done(
    connection: AsyncConnection,
    principal: Principal,
    notice_ids: Mapping[str, UUID],
    done: Done,
    cause: Cause,
) -> None:
    """Store that the caller told the partner, and publish it: of all these notices, or of none.

    What was ticked off before stays as it is. `notice_ids` are by their names in the request.
    Raises the 404 when the caller has no such notice, else the 409 while a partner's API is being
    told; each field that stands in the way is named.
    """
    wanted = list(notice_ids.values())
    locked = await store.lock_notices(connection, principal.tenant_id, wanted)
    seen = {each.notice_id: each for each in locked if principal.may_see(each.studio_id)}
    errors = [
        FieldError(name, refusal)
        for name, notice_id in notice_ids.items()
        if (refusal := _refusal(seen.get(notice_id))) is not None
    ]
    if errors:
        are_all_there = all(notice_id in seen for notice_id in wanted)
        raise problem(NOTICE_IS_SENT if are_all_there else NOT_FOUND, errors=errors)
    new = [notice for notice in seen.values() if notice.status is not Status.ACKNOWLEDGED]
    if not new:
        return
    time = now()
    await store.acknowledge(
        connection,
        principal.tenant_id,
        [notice.notice_id for notice in new],
        "STAFF",
        time,
        done_by=principal.subject,
        told_to=done.told_to,
        comment=done.comment,
    )
    await outbox.publish(
        connection, [(notice.acknowledged(time, "STAFF"), cause) for notice in new]
    )


def _refusal(notice: CaseNotice | None) -> str | None:
    """Return why a notice cannot be ticked off; None when it can be, or is."""
    if notice is None:
        return NOT_FOUND.title
    if notice.status is Status.ACKNOWLEDGED or notice.is_ticked_off_by_staff:
        return None
    return NOTICE_IS_SENT.title
