"""Wires run-service: settings, HTTP, events and the work it does by itself."""

import sys

from kit.service import Service
from kit.workers import Worker
from run_service import subscribers
from run_service.candidates import api as candidates_api
from run_service.imports import api as imports_api
from run_service.imports.check_imports import CHECK_IMPORTS, check_imports
from run_service.imports.discard_imports import DISCARD_IMPORTS, discard_imports
from run_service.imports.publish_imports import PUBLISH_IMPORTS, publish_imports
from run_service.previews import api as previews_api
from run_service.previews.discard_previews import discard_previews
from run_service.previews.discard_snapshots import discard_snapshots
from run_service.runs import api as runs_api
from run_service.runs import handovers_api, members_api, reversal_api
from run_service.runs.publish_handovers import PUBLISH_HANDOVERS, publish_handovers
from run_service.runs.settle_runs import settle_runs
from run_service.settings import Settings
from run_service.tenant_settings import api as settings_api

service = Service(
    name="run-service",
    settings=Settings,
    routers=[
        imports_api.router,
        candidates_api.router,
        settings_api.router,
        previews_api.router,
        runs_api.router,
        members_api.router,
        reversal_api.router,
        handovers_api.router,
    ],
    subscriptions=subscribers.subscriptions,
    migrations="run_service.migrations",
    batch_parts=2,
    workers=[
        Worker(PUBLISH_HANDOVERS, publish_handovers, interval=2.0),
        Worker("settle runs", settle_runs, interval=0.5),
        Worker(CHECK_IMPORTS, check_imports, interval=2.0),
        Worker(PUBLISH_IMPORTS, publish_imports, interval=2.0),
        Worker(DISCARD_IMPORTS, discard_imports, interval=600.0),
        Worker("discard previews", discard_previews, interval=600.0),
        Worker("discard snapshots", discard_snapshots, interval=600.0),
    ],
)


def main() -> None:
    """Run one command of `run-service`."""
    sys.exit(service.run())
