"""How fast case-service opens 100,000 cases with 300,000 claims, beside copying the same rows.

Not part of the tests: `make bench` runs it, against the real process with a real PostgreSQL and a
real Kafka. `make bench MEMBERS=5000` takes a minute; the limit counts at the full size only.
`plain_copy.py` says what it is measured against. Both are measured from the first transaction to
the last one, as the database sees them.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import psutil
import pytest
from tests.benchmarks import plain_case_rows, plain_copy
from tests.benchmarks.handovers import handovers, publish
from tests.benchmarks.measuring import Figure, Memory
from tests.benchmarks.service_process import ServiceProcess, case_service

from local_stack.data import Population
from local_stack.places import PROJECT
from local_stack.processes import ChildProcess, wait_until

FULL_SIZE = 100_000
MEMBERS = int(os.environ.get("MEMBERS", FULL_SIZE))
TIMES_A_PLAIN_COPY = 3.0
MEMORY = 400.0
SECONDS = 1_200
_PAUSE = 0.2


@pytest.mark.timeout(3_600)
def test_opening_cases_takes_little_longer_than_copying_their_rows(tmp_path: Path) -> None:
    with case_service(tmp_path) as service:
        publish_handovers(service)
        asyncio.run(plain_copy.create_tables(service.owner_url, "case-service"))
        copying = ChildProcess(
            "plain copy",
            [
                *(sys.executable, "-m", "tests.benchmarks.plain_copy"),
                *(service.kafka.bootstrap_servers, str(MEMBERS)),
                f"case-service={service.owner_url}",
            ],
            log=tmp_path / "plain-copy.log",
            directory=PROJECT,
        )
        plain = measure(service, copying, "plain", "a plain copy of the rows")
        opened = measure(service, service.program, "public", "case-service opens the cases")
        wait_until(
            lambda: service.value("SELECT count(*) = 0 FROM outbox"),
            limit=SECONDS,
            what="the relay",
        )
        same_rows(service)
    ratio = Figure("opening is longer than copying", opened / plain, "times", TIMES_A_PLAIN_COPY)
    show(ratio)
    if MEMBERS >= FULL_SIZE:
        assert not ratio.is_too_much


def publish_handovers(service: ServiceProcess) -> None:
    """Put all handovers on Kafka, before anybody reads them."""
    today = datetime.now(UTC).date()
    population = Population(members=MEMBERS, today=today)
    events = handovers(population, uuid4(), today)
    servers = service.kafka.bootstrap_servers
    messages, size = asyncio.run(publish(servers, service.tenant_id, "/run-service", events))
    assert messages == MEMBERS
    show(Figure("size of a handover", size / messages, "bytes"))


def measure(service: ServiceProcess, reader: ChildProcess, schema: str, what: str) -> float:
    """Let `reader` do its work; return how many seconds it took, and show what else it took."""
    reader.start()
    memory = Memory(reader.pid)
    try:
        seconds = asyncio.run(seconds_until_done(service.owner_url, schema))
        cpu = psutil.Process(reader.pid).cpu_times()
    finally:
        memory.stop()
        reader.stop()
    show(Figure(what, seconds, "s", compared=f"{MEMBERS / seconds:,.0f} cases/s"))
    show(Figure("  processor time of its process", cpu.user + cpu.system, "s"))
    show(Figure("  memory, peak", memory.peak(), "MB", MEMORY))
    return seconds


async def seconds_until_done(owner_url: str, schema: str) -> float:
    """Wait until the inbox has all handovers; return the time since its first transaction."""
    connection = await asyncpg.connect(owner_url)
    try:
        async with asyncio.timeout(SECONDS):
            while await connection.fetchval(f"SELECT count(*) FROM {schema}.inbox") < MEMBERS:
                await asyncio.sleep(_PAUSE)
        seconds = await connection.fetchval(
            f"SELECT extract(epoch FROM clock_timestamp() - min(received_at)) FROM {schema}.inbox"
        )
        return float(seconds)
    finally:
        await connection.close()


def same_rows(service: ServiceProcess) -> None:
    """Check that both wrote the same number of rows, and that there were three claims a case."""
    for table in plain_case_rows.COLUMNS:
        if table != "outbox":  # published, and deleted
            counts = [
                service.value(f"SELECT count(*) FROM {schema}.{table}")
                for schema in ("plain", "public")
            ]
            assert counts[0] == counts[1], table
    claims = service.value("SELECT count(*) FROM claims")
    show(Figure("claims of the cases", claims, ""))


def show(figure: Figure) -> None:
    """Print a figure."""
    print(figure, flush=True)  # noqa: T201  what a benchmark is for
