"""Measure how many callbacks have not acted, of all tenants together."""

from typing import Final

from prometheus_client import Gauge
from sqlalchemy import text

from kit.context import Context
from kit.metrics import registry
from partner_gateway.settings import Settings

WORKER: Final = "measure callbacks"
"""The worker that keeps the gauges up to date."""

unsettled_callbacks: Final = Gauge(
    "unsettled_callbacks",
    "Callbacks that wait for a case (WAITING) or for staff (PARKED, CONFLICT).",
    ("status",),
    registry=registry,
)
"""Callbacks that have not acted."""

_COUNT = text(
    """
    SELECT given.status, (SELECT count(*) FROM callbacks WHERE callbacks.status = given.status)
           AS callbacks
    FROM (VALUES ('WAITING'), ('PARKED'), ('CONFLICT')) AS given (status)
    """
)


async def measure_callbacks(context: Context[Settings]) -> bool:
    """Count what waits; there is never more to do."""
    async with context.database.connect() as connection:
        for row in await connection.execute(_COUNT):
            unsettled_callbacks.labels(row.status).set(row.callbacks)
    return False
