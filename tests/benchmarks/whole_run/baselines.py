"""What the whole path is measured against, on the same messages: a floor, and a tutorial's way."""

import asyncio
import sys
from collections.abc import Sequence

from tests.benchmarks import plain_copy
from tests.benchmarks.whole_run.system import System

from local_stack.places import PROJECT
from local_stack.processes import ChildProcess, wait_until
from local_stack.scene import same

TUTORIALS_MESSAGES = 3_000
_CASES, _EXPORTS = "case-service", "export-service"
_LIKE_OURS = {
    _CASES: ("members", "claims", "cases", "case_claims"),
    _EXPORTS: ("cases", "handover_rows"),
}
"""Tables that hold as many rows as the real ones: those that a reversal does not add to."""
_DIFFERENT = """
    SELECT count(*) FROM (
        (SELECT ours::text FROM public.handover_rows AS ours
         EXCEPT ALL SELECT plain::text FROM plain.handover_rows AS plain)
        UNION ALL
        (SELECT plain::text FROM plain.handover_rows AS plain
         EXCEPT ALL SELECT ours::text FROM public.handover_rows AS ours)
    ) AS different
"""


def floor(system: System) -> float:
    """Copy the rows of case-service and of export-service; return how many seconds that took.

    Those of run-service are no part of it, as its messages lie in Kafka already, nor those of
    partner-gateway, for which no run waits. The services should be stopped.
    """
    urls = {service: system.owner_url(service) for service in _LIKE_OURS}
    for service, url in urls.items():
        asyncio.run(plain_copy.create_tables(url, service))
    destinations = [f"{service}={url}" for service, url in urls.items()]
    seconds = _run(system, "tests.benchmarks.plain_copy", str(system.members), *destinations)
    for service, tables in _LIKE_OURS.items():
        for table in tables:
            ours, plain = (
                system.value(service, f"SELECT count(*) FROM {schema}.{table}")
                for schema in ("public", "plain")
            )
            same(f"rows of {table} that were copied", plain, ours)
    same("rows of exports that differ", system.value(_EXPORTS, _DIFFERENT), 0)
    return seconds


def tutorial(system: System) -> float:
    """Open cases as a tutorial would; return how many a second. The services should be stopped."""
    messages = min(system.members, TUTORIALS_MESSAGES)
    url = system.owner_url(_CASES).replace("://", "+asyncpg://", 1)
    seconds = _run(system, "tests.benchmarks.whole_run.tutorial", url, str(messages))
    opened = system.value(_CASES, "SELECT count(*) FROM tutorial.cases")
    same("cases of the tutorial", opened, messages)
    return messages / seconds


def _run(system: System, module: str, *arguments: str) -> float:
    """Run a program of ours to its end; return what it printed."""
    name = module.rpartition(".")[2]
    log = system.stack.logs / f"{name}.log"
    servers = system.stack.kafka.bootstrap_servers
    command: Sequence[str] = [sys.executable, "-m", module, servers, *arguments]
    program = ChildProcess(name, command, log=log, directory=PROJECT)
    program.start()
    try:
        wait_until(
            lambda: not program.is_running, limit=system.limit, what=f"{name} (its log: {log})"
        )
    finally:
        program.stop()
    return float(log.read_text().splitlines()[-1])
