"""All snapshots come in: how many a second run-service takes."""

import asyncio
from dataclasses import dataclass

import asyncpg
from tests.benchmarks.whole_run.looks import Looking
from tests.benchmarks.whole_run.members import CLAIMS_EACH, snapshots_of
from tests.benchmarks.whole_run.system import System, until_quiet

from local_stack.http_client import until
from local_stack.publish import publish

_PAUSE = 0.25
_SECONDS = """
    SELECT extract(epoch FROM clock_timestamp() - min(received_at)) FROM inbox
    WHERE source IN ('/membership', '/receivables')
"""


@dataclass(frozen=True)
class Ingest:
    """How many snapshots came in, and in how many seconds."""

    snapshots: int
    seconds: float


async def ingest(system: System) -> Ingest:
    """Publish everything while run-service is stopped; then see how fast it catches up.

    Measured from its first transaction until it has done the last message. case-service, which
    reads claims, too, has done so before.
    """
    run_service = system.programs["run-service"]
    async with Looking(system.stack, system.runs) as looking:
        await until_quiet(system, looking)  # the partner is known
        run_service.stop()
        published = await publish(
            system.stack.kafka.bootstrap_servers,
            system.stack.tenant_id,
            snapshots_of(system.population),
        )
        await _wait(system, looking, "case-service")
        run_service.start()
        await _wait(system, looking, "run-service")
        connection = await asyncpg.connect(system.stack.database_url("run-service"))
        seconds = float(await connection.fetchval(_SECONDS))
        await connection.close()
    assert (published.members, published.claims) == (system.members, CLAIMS_EACH * system.members)
    until(
        lambda: system.runs.get("/v1/candidates/summary"),
        lambda summary: summary["members"] == system.members,
        limit=system.limit,
        what="run-service finds everybody",
    )
    return Ingest(published.studios + published.members + published.claims, seconds)


async def _wait(system: System, looking: Looking, service: str) -> None:
    async with asyncio.timeout(system.limit):
        while (await looking.look()).lags[service]:
            await asyncio.sleep(_PAUSE)
