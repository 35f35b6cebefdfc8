"""The one place that wires the partner gateway."""

import sys

from kit.service import Service
from kit.workers import Worker
from partner_gateway.callbacks import api as callbacks_api
from partner_gateway.callbacks import translate_callbacks
from partner_gateway.deliveries import api as deliveries_api
from partner_gateway.deliveries import deliver
from partner_gateway.notices import api as notices_api
from partner_gateway.notices import mark_overdue
from partner_gateway.partners import api as partners_api
from partner_gateway.settings import Settings
from partner_gateway.subscribers import subscriptions

service = Service(
    name="partner-gateway",
    settings=Settings,
    routers=[
        partners_api.router,
        callbacks_api.router,
        deliveries_api.router,
        notices_api.router,
    ],
    subscriptions=subscriptions,
    workers=[
        Worker(deliver.WORKER, deliver.Deliverer().work, interval=1),
        Worker(translate_callbacks.WORKER, translate_callbacks.translate_callbacks, interval=1),
        Worker(mark_overdue.WORKER, mark_overdue.mark_overdue, interval=5),
    ],
    migrations="partner_gateway.migrations",
)


def main() -> None:
    """Run a command of the service."""
    sys.exit(service.run())
