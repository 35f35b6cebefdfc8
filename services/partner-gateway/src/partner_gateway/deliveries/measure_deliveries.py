"""What is measured of deliveries, for Prometheus: of all tenants and partners together."""

from typing import Final

from prometheus_client import Counter, Gauge
from sqlalchemy import text

from kit.context import Context
from kit.metrics import registry
from partner_gateway.settings import Settings

WORKER: Final = "measure deliveries"
"""The worker that does this."""

delivery_tries_total: Final = Counter(
    "delivery_tries",
    "Tries to send a request to a partner, by what came of them.",
    ("verdict",),
    registry=registry,
)
"""Tries; `verdict` is ANSWERED, TRY_AGAIN or REFUSED."""

circuits_open: Final = Gauge(
    "circuits_open", "Partners that do not answer and are only probed.", registry=registry
)
"""Open circuits, except those of paused partners."""

delivery_oldest_seconds: Final = Gauge(
    "delivery_oldest_seconds",
    "Age of the oldest request to a partner without an answer in seconds; 0 when there is none.",
    registry=registry,
)
"""How late the slowest partner is; requests to paused partners do not count."""

_MEASURE = text(
    """
    SELECT (SELECT count(*) FROM circuits JOIN partners USING (tenant_id, partner_id)
            WHERE opened_at IS NOT NULL AND partners.status = 'ACTIVE') AS circuits_open,
           coalesce((SELECT extract(epoch FROM clock_timestamp() - deliveries.created_at)
                     FROM deliveries JOIN partners USING (tenant_id, partner_id)
                     WHERE deliveries.status = 'OPEN' AND partners.status = 'ACTIVE'
                     ORDER BY deliveries.created_at LIMIT 1), 0) AS oldest
    """
)


async def measure_deliveries(context: Context[Settings]) -> bool:
    """Bring the gauges up to date."""
    async with context.database.connect() as connection:
        row = (await connection.execute(_MEASURE)).one()
    circuits_open.set(row.circuits_open)
    delivery_oldest_seconds.set(float(row.oldest))
    return False
