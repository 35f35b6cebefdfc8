"""Settle a callback that waits for staff: let it be looked at again, or dismiss it (R51)."""

from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.parts import LongText
from kit.auth import Principal
from kit.clock import now
from kit.http import Body
from kit.problems import define, not_found, problem
from partner_gateway.callbacks import store
from partner_gateway.callbacks.callback import FOR_STAFF, Status

NOT_FOR_STAFF = define(
    "callback-not-parked",
    409,
    "The callback does not wait for staff",
    "Read it again: only what is PARKED or CONFLICT can be retried or dismissed.",
)


class Dismissal(Body):
    """Why a callback needs no more."""

    comment: Annotated[LongText, StringConstraints(strip_whitespace=True)]
    """How it was settled, for colleagues."""


async def retry_callback(
    connection: AsyncConnection, principal: Principal, partner_id: UUID, callback_id: UUID
) -> None:
    """Let a callback be looked at again, in the place of its first arrival.

    For what our side did not understand and now does, and for a CONFLICT that is to act after all.
    Raises the 404, and the 409 for one that does not wait for staff.
    """
    await _settle(connection, principal, partner_id, callback_id, Status.RECEIVED, None)


async def dismiss_callback(
    connection: AsyncConnection,
    principal: Principal,
    partner_id: UUID,
    callback_id: UUID,
    dismissal: Dismissal,
) -> None:
    """Store that staff settled a callback otherwise; it never acts.

    Raises the 404, and the 409 for one that does not wait for staff.
    """
    await _settle(
        connection, principal, partner_id, callback_id, Status.DISMISSED, dismissal.comment
    )


async def _settle(
    connection: AsyncConnection,
    principal: Principal,
    partner_id: UUID,
    callback_id: UUID,
    status: Status,
    comment: str | None,
) -> None:
    tenant_id = principal.tenant_id
    before = await store.lock_callback(connection, tenant_id, partner_id, callback_id)
    if before is None:
        raise not_found()
    if before not in FOR_STAFF:
        raise problem(NOT_FOR_STAFF)
    await store.settle_callback(
        connection,
        tenant_id,
        partner_id,
        callback_id,
        status=status,
        decided_by=principal.subject,
        comment=comment,
        now=now(),
    )
