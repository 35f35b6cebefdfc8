"""Carry the outcome of a try to tell an API partner over to the notice (R52)."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Event
from kit.trace import Cause
from partner_gateway.deliveries.delivery import Delivery, Verdict
from partner_gateway.notices import store
from partner_gateway.notices.notice import Status


async def follow_delivery(
    connection: AsyncConnection,
    delivery: Delivery,
    verdict: Verdict,
    refusal: str | None,
    time: datetime,
) -> list[tuple[Event, Cause]]:
    """Store what a try came to and return what to publish: that it was made, and how it ended.

    `refusal`: why the partner says that it refuses.
    """
    notice = await store.lock_notice_of_delivery(
        connection, delivery.tenant_id, delivery.request_id
    )
    events = [notice.sent(time, delivery.tries)]
    match verdict:
        case Verdict.ANSWERED:
            await store.acknowledge(
                connection, delivery.tenant_id, [notice.notice_id], "PARTNER", time
            )
            events.append(notice.acknowledged(time, "PARTNER"))
        case Verdict.REFUSED:
            await store.set_status(connection, notice, Status.FAILED, refusal)
            events.append(notice.failed(time, "REFUSED_BY_PARTNER"))
        case Verdict.TRY_AGAIN:
            await store.set_status(connection, notice, Status.SENT)
    return [(event, delivery.cause) for event in events]
