"""The one place that wires case-service together."""

import sys

from case_service.audit.api import router as audit_router
from case_service.audit.audit import audit
from case_service.audit.rebuild_balances import rebuild_balances
from case_service.cases.api import router as cases_router
from case_service.files.api import router as files_router
from case_service.members.api import router as members_router
from case_service.payments.api import router as payments_router
from case_service.payments.unallocated_api import router as unallocated_router
from case_service.runs.answer_runs import ANSWER_RUNS, answer_runs
from case_service.runs.reverse_runs import REVERSE_RUNS, reverse_runs
from case_service.settings import Settings
from case_service.subscribers import subscriptions
from case_service.tenant_settings.api import router as settings_router
from kit.service import Service
from kit.workers import Worker

service = Service(
    name="case-service",
    settings=Settings,
    routers=[
        cases_router,
        payments_router,
        unallocated_router,
        members_router,
        files_router,
        settings_router,
        audit_router,
    ],
    subscriptions=subscriptions,
    migrations="case_service.migrations",
    append_only=("entries", "history"),
    batch_parts=2,
    workers=[
        Worker(REVERSE_RUNS, reverse_runs, interval=5.0),
        Worker(ANSWER_RUNS, answer_runs, interval=5.0),
    ],
    commands={"audit": audit, "rebuild-balances": rebuild_balances},
)


def main() -> None:
    """Run one command of the service; the console script."""
    sys.exit(service.run())
