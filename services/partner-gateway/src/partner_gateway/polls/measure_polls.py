"""What is measured of polls, for Prometheus: of all tenants and partners together."""

from typing import Final

from prometheus_client import Gauge
from sqlalchemy import text

from kit.context import Context
from kit.metrics import registry
from partner_gateway.settings import Settings

WORKER: Final = "measure polls"
"""The worker that does this."""

polls_failing: Final = Gauge(
    "polls_failing",
    "Partners that are asked for news and did not answer when asked last.",
    registry=registry,
)
"""Polls that fail, except those of paused partners."""

_MEASURE = text(
    """
    SELECT count(*) FROM polls JOIN partners USING (tenant_id, partner_id)
    WHERE failures > 0 AND partners.status = 'ACTIVE'
    """
)


async def measure_polls(context: Context[Settings]) -> bool:
    """Bring the gauge up to date."""
    async with context.database.connect() as connection:
        failing: int = (await connection.execute(_MEASURE)).scalar_one()
    polls_failing.set(failing)
    return False
