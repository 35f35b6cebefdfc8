"""Find notices whose day is over and whose partner does not know: staff and others hear of it."""

from typing import Final

from prometheus_client import Counter

from kit import outbox
from kit.clock import now, today
from kit.context import Context
from kit.metrics import registry
from partner_gateway.notices import store
from partner_gateway.settings import Settings

WORKER: Final = "mark overdue notices"
"""The worker that does this."""

BATCH: Final = 1000

notices_overdue_total: Final = Counter(
    "notices_overdue",
    "Notices whose partner did not know by the day on which they were due.",
    registry=registry,
)
"""Notices that became overdue."""


async def mark_overdue(context: Context[Settings]) -> bool:
    """Mark and publish a batch of notices, each once; tell whether there may be more (R52).

    Overdue is what was due on an earlier day than today, in the tenant's time zone: at partners by
    hand and with an API alike, for whatever reason the partner does not know.
    """
    async with context.database.begin() as connection:
        time, day = now(), today(context.settings.time_zone)
        late = await store.mark_overdue(connection, day, time, BATCH)
        await outbox.publish(connection, [(notice.overdue(time), notice.cause) for notice in late])
    notices_overdue_total.inc(len(late))
    return len(late) == BATCH
