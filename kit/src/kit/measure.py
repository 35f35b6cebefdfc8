"""Measures what is in the plumbing's tables and how far behind the consumer is."""

from typing import Any, Final

from sqlalchemy import text

from kit import metrics
from kit.consumer import Consumer
from kit.context import Context
from kit.workers import Worker

_EVERY: Final = 5.0
_PLUMBING = text(
    """
    SELECT count(*) AS depth,
           coalesce(extract(epoch FROM clock_timestamp() - min(time)), 0) AS oldest,
           (SELECT count(*) FROM parked) AS parked
    FROM outbox
    """
)


def measuring(consumer: Consumer) -> Worker:
    """Return the worker that keeps the gauges up to date."""

    async def measure(context: Context[Any]) -> bool:
        consumer.measure_lag()
        async with context.database.connect() as connection:
            row = (await connection.execute(_PLUMBING)).one()
        metrics.outbox_depth.set(row.depth)
        metrics.outbox_oldest_seconds.set(float(row.oldest))
        metrics.parked_messages.set(row.parked)
        return False

    return Worker("measure", measure, _EVERY)
