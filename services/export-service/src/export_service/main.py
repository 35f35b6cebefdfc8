"""The one place that wires the service together."""

import os
import sys

from export_service.api import RENDER_EXPORTS, router
from export_service.exports.delete_expired_exports import delete_expired_exports
from export_service.exports.delete_forgotten_files import delete_forgotten_files
from export_service.exports.download import router as download_router
from export_service.exports.export import LEASE
from export_service.exports.measure_exports import measure_exports
from export_service.exports.render_export import ExportRenderer
from export_service.runs.delete_old_run_details import delete_old_run_details
from export_service.settings import Settings
from export_service.subscribers import subscriptions
from kit.service import Service
from kit.workers import Worker

renderer = ExportRenderer()

service = Service(
    name="export-service",
    settings=Settings,
    routers=[router, download_router],
    subscriptions=subscriptions,
    migrations="export_service.migrations",
    workers=[
        Worker(RENDER_EXPORTS, renderer.turn, interval=1.0, stop=renderer.stop),
        Worker("keep-leases-of-exports", renderer.keep_leases, interval=LEASE.total_seconds() / 4),
        Worker("measure-exports", measure_exports, interval=15.0),
        Worker("delete-expired-exports", delete_expired_exports, interval=3600.0),
        Worker("delete-forgotten-files", delete_forgotten_files, interval=86_400.0),
        Worker("delete-old-run-details", delete_old_run_details, interval=3600.0),
    ],
)


def main() -> None:
    """Runs one command of the service; the console script."""
    os.umask(0o077)  # files of exports hold personal data: nobody else on the machine may read them
    sys.exit(service.run())
