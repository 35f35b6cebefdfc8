"""The whole system for one benchmark, with one tenant, and a partner that works by hand."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from tests.another_instance import another_instance
from tests.benchmarks.whole_run.looks import Looking
from tests.benchmarks.whole_run.processes import engines

from local_stack.data import Population
from local_stack.http_client import ServiceClient
from local_stack.stack import SERVICES, Program, Stack

_PAUSE = 0.25


@dataclass(frozen=True)
class System:
    """What runs, whom it is for, and clients that may do everything."""

    stack: Stack
    population: Population
    partner_id: str
    programs: dict[str, Program]
    """The services; of one with several instances each of them."""
    runs: ServiceClient
    cases: ServiceClient
    exports: ServiceClient

    @property
    def members(self) -> int:
        """How many members there are, who all are handed over."""
        return self.population.member_count

    @property
    def limit(self) -> float:
        """Seconds after which what was waited for will not come any more."""
        return 180 + self.members / 200

    @property
    def processes(self) -> dict[str, int]:
        """The processes to measure: services, Kafka and PostgreSQL."""
        return {name: program.pid for name, program in self.programs.items()} | engines()

    def owner_url(self, service: str) -> str:
        """Return the address of a service's database, for the role that owns it."""
        return self.stack.postgres.owner_url(service.replace("-", "_"))

    def value(self, service: str, query: str) -> int:
        """Ask a service's database for a number."""

        async def ask() -> int:
            connection = await asyncpg.connect(self.owner_url(service))
            try:
                return int(await connection.fetchval(query))
            finally:
                await connection.close()

        return asyncio.run(ask())

    def stop_services(self) -> None:
        """Stop all services; Kafka and PostgreSQL stay."""
        for program in self.programs.values():
            program.stop()


@contextmanager
def started(directory: Path, members: int, instances: int = 1) -> Iterator[System]:
    """Start everything, with so many instances of case-service; its data goes afterwards."""
    with ExitStack() as ends:
        ends.callback(shutil.rmtree, directory / "data", ignore_errors=True)
        stack = ends.enter_context(Stack(directory))
        programs = {name: stack.service(name) for name in SERVICES}
        for number in range(2, instances + 1):
            program = another_instance(stack, "case-service", number)
            ends.callback(program.stop)
            program.start()
            programs[f"case-service {number}"] = program
        clients = {name: ServiceClient(stack.service(name).url, stack.token()) for name in SERVICES}
        for client in clients.values():
            ends.callback(client.close)
        partner = {"name": "Inkasso Süd (von Hand)", "channel": "BY_HAND"}
        yield System(
            stack=stack,
            population=Population(members=members, today=datetime.now(UTC).date()),
            partner_id=clients["partner-gateway"].post("/v1/partners", partner)["partner_id"],
            programs=programs,
            runs=clients["run-service"],
            cases=clients["case-service"],
            exports=clients["export-service"],
        )


async def until_quiet(system: System, looking: Looking) -> None:
    """Wait until all that was published is read; then begin the next with a checkpoint.

    So nothing is measured with what the one before it has left to do for the database.
    """
    async with asyncio.timeout(system.limit):
        while not (await looking.look()).is_quiet:
            await asyncio.sleep(_PAUSE)
    connection = await asyncpg.connect(system.stack.postgres.superuser_url)
    await connection.execute("CHECKPOINT")
    await connection.close()
