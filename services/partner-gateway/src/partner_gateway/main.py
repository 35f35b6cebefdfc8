"""The one place that wires the partner gateway."""

import sys

from kit.service import Service
from kit.workers import Worker
from partner_gateway.callbacks import api as callbacks_api
from partner_gateway.callbacks import (
    forget_bodies,
    measure_callbacks,
    park_waiting_callbacks,
    release_callbacks,
    translate_callbacks,
)
from partner_gateway.deliveries import api as deliveries_api
from partner_gateway.deliveries import deliver, measure_deliveries
from partner_gateway.notices import api as notices_api
from partner_gateway.notices import mark_overdue
from partner_gateway.partners import api as partners_api
from partner_gateway.partners import forget_ended_secrets
from partner_gateway.partners.reencrypt import reencrypt
from partner_gateway.polls import api as polls_api
from partner_gateway.polls import ask_partners, measure_polls
from partner_gateway.report_files import api as report_files_api
from partner_gateway.report_files import (
    apply_report_files,
    check_report_files,
    discard_report_files,
)
from partner_gateway.settings import Settings
from partner_gateway.subscribers import subscriptions

service = Service(
    name="partner-gateway",
    settings=Settings,
    routers=[
        partners_api.router,
        callbacks_api.router,
        deliveries_api.router,
        polls_api.router,
        notices_api.router,
        report_files_api.formats,
        report_files_api.router,
    ],
    subscriptions=subscriptions,
    workers=[
        Worker(deliver.WORKER, deliver.Deliverer().work, interval=1),
        Worker(measure_deliveries.WORKER, measure_deliveries.measure_deliveries, interval=15),
        Worker(translate_callbacks.WORKER, translate_callbacks.translate_callbacks, interval=1),
        Worker(release_callbacks.WORKER, release_callbacks.release_callbacks, interval=2),
        Worker(
            park_waiting_callbacks.WORKER,
            park_waiting_callbacks.park_waiting_callbacks,
            interval=3600,
        ),
        Worker(forget_bodies.WORKER, forget_bodies.forget_bodies, interval=3600),
        Worker(measure_callbacks.WORKER, measure_callbacks.measure_callbacks, interval=15),
        Worker(mark_overdue.WORKER, mark_overdue.mark_overdue, interval=5),
        Worker(ask_partners.WORKER, ask_partners.Asker().work, interval=1),
        Worker(measure_polls.WORKER, measure_polls.measure_polls, interval=15),
        Worker(
            forget_ended_secrets.WORKER, forget_ended_secrets.forget_ended_secrets, interval=3600
        ),
        Worker(check_report_files.WORKER, check_report_files.check_report_files, interval=5),
        Worker(apply_report_files.WORKER, apply_report_files.apply_report_files, interval=5),
        Worker(discard_report_files.WORKER, discard_report_files.discard_report_files, interval=60),
    ],
    migrations="partner_gateway.migrations",
    append_only=("callback_decisions", "ended_secrets", "reported_rows"),
    commands={"reencrypt": reencrypt},
)


def main() -> None:
    """Run a command of the service."""
    sys.exit(service.run())
