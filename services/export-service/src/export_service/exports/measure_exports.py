"""What is measured of exports, for Prometheus: of all tenants together."""

from datetime import timedelta
from typing import Final

from prometheus_client import Counter, Gauge

from export_service.exports import store
from export_service.settings import Settings
from kit.context import Context
from kit.metrics import registry

exports_failed_total: Final = Counter(
    "exports_failed", "Exports that have failed, by reason.", ("reason",), registry=registry
)
"""Exports that have failed; `reason` is the `reason_code`."""

exports_oldest_ready_seconds: Final = Gauge(
    "exports_oldest_ready_seconds",
    "Seconds since the oldest export was ordered that could begin and does not; 0 if none waits.",
    registry=registry,
)
"""How late the workers are; who waits for members does not count."""

export_files_overdue: Final = Gauge(
    "export_files_overdue",
    "Exports whose file should have been deleted two hours ago, or earlier.",
    registry=registry,
)
"""Files with personal data that are kept for too long."""

_GRACE: Final = timedelta(hours=2)
"""Files that have expired are looked for each hour."""


async def measure_exports(context: Context[Settings]) -> bool:
    """Brings the gauges up to date."""
    async with context.database.connect() as connection:
        oldest = await store.oldest_ready(connection)
        overdue = await store.count_overdue_files(connection, _GRACE)
    exports_oldest_ready_seconds.set(oldest.total_seconds())
    export_files_overdue.set(overdue)
    return False
