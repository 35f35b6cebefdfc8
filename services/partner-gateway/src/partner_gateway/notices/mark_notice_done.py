"""Tick off a notice: staff told the partner by hand (R52)."""

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.parts import LongText
from kit import outbox
from kit.clock import now
from kit.http import Body
from kit.problems import define, problem
from kit.trace import Cause
from partner_gateway.notices import store
from partner_gateway.notices.notice import CaseNotice, Status

NOTICE_IS_SENT = define(
    "notice-is-sent",
    409,
    "The partner's API is being told",
    "Wait: the notice becomes ACKNOWLEDGED, or FAILED and can then be ticked off.",
)


class Done(Body):
    """How the partner was told."""

    comment: LongText | None = None
    """For colleagues: when, by which way, who took it."""


async def mark_notice_done(
    connection: AsyncConnection, notice: CaseNotice, done: Done, cause: Cause, done_by: str
) -> None:
    """Store who told the partner, and publish it; for a notice that is ticked off, nothing happens.

    The caller holds the notice's row. Raises the 409 while the partner's API is still being told.
    """
    if notice.status is Status.ACKNOWLEDGED:
        return
    if not notice.is_ticked_off_by_staff:
        raise problem(NOTICE_IS_SENT)
    time = now()
    await store.acknowledge(connection, notice, "STAFF", time, done_by, done.comment)
    await outbox.publish(connection, [(notice.acknowledged(time, "STAFF"), cause)])
