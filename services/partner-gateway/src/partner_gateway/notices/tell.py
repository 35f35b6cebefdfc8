"""Make notices: from then on the partner must know (R52)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit import outbox
from partner_gateway.notices import store
from partner_gateway.notices.notice import CaseNotice

_AT_ONCE: Final = 200
"""Cases whose changes become notices in one transaction."""


async def tell(connection: AsyncConnection, notices: Sequence[CaseNotice], time: datetime) -> None:
    """Store notices, in order, and publish that they are due; with what is sent to an API.

    The caller holds the cases of those with an API, so that what is sent about a case has one
    order. A STOP that is there already is left out: a case has one.
    """
    if not notices:
        return
    new = await store.insert_notices(connection, notices, time)
    await outbox.publish_written(connection, [(notice.due(time), notice.cause) for notice in new])


async def tell_changes(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, time: datetime
) -> None:
    """Tell a partner with an API what changed on the cases that were sent to it.

    A change may come while the handover of its case waits here, or is still on its way. The
    handover holds the amounts from before, so the change means nothing without it: it waits until
    the case stands on a page, and goes out after that page was answered.
    """
    cases = await store.hold_cases_with_changes(connection, tenant_id, partner_id, _AT_ONCE)
    await tell(connection, await store.take_changes(connection, cases), time)
