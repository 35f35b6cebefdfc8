"""How run-service serves a tenant of 100,000 members who owe 300,000 claims (R1, R2, R4 - R6).

Not part of the tests: `make bench` runs it, against the real process with a real PostgreSQL and a
real Kafka. `make bench MEMBERS=5000` takes a minute; limits count at the full size only.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.benchmarks.measuring import Figure, Memory, p95, seconds_of, times_of
from tests.benchmarks.whole_run.processes import Processes
from tests.benchmarks.whole_run.processes import engines as engines_started

from contracts import Event, PartnerSnapshotV1
from local_stack import engines
from local_stack.data import Population
from local_stack.http_client import Answer, ServiceClient
from local_stack.issuer import AUDIENCE, ROLES, Issuer
from local_stack.ports import HOST, free_port
from local_stack.processes import wait_until
from local_stack.publish import publish, snapshots
from local_stack.stack import Program

FULL_SIZE = 100_000
MEMBERS = int(os.environ.get("MEMBERS", FULL_SIZE))
STUDIOS = 20
SINGLE_HANDOVERS = 100
REQUESTS = 40
PREVIEWS = 3

READ = 0.3
PREVIEW = 5.0
RUN = 1.0
MEMORY = 400.0
SECONDS_FOR_ALL_MEMBERS = 1_200

# The last two are the hardest: one member is found, and none.
SEARCHES = ("Müller", "jorg schroder", f"{MEMBERS // 2:07}", "Nobody")


@dataclass
class Tenant:
    """The tenant of whom everything is asked, and what was measured so far."""

    program: Program
    database_url: str
    bootstrap_servers: str
    client: ServiceClient
    tenant_id: UUID
    partner_id: UUID = field(default_factory=uuid4)
    figures: list[Figure] = field(default_factory=list)

    def measured(self, what: str, value: float, unit: str = "s", **more: Any) -> None:
        """Note a figure, and print it at once: all of them take minutes."""
        figure = Figure(what, value, unit, **more)
        self.figures.append(figure)
        print(figure, flush=True)  # noqa: T201  what a benchmark is for

    def timed(
        self, what: str, times: Sequence[float], limit: float | None = None, compared: str = ""
    ) -> None:
        """Note how long something took that was done many times."""
        median = f"median {statistics.median(times):.3f} s"
        self.measured(f"{what}, p95", p95(times), limit=limit, compared=f"{median}{compared}")

    def processes(self) -> Processes:
        """Look at what run-service, PostgreSQL and Kafka take."""
        return Processes({"run-service": self.program.pid, **engines_started()})

    def used(self, processes: Processes, count: int, what: str) -> None:
        """Note what each process took for each of `count` things, on whatever machine."""
        for used in processes.used:
            microseconds = 1e6 * used.cpu_seconds / count
            self.measured(f"  processor time of {used.name} for a {what}", microseconds, "µs")

    def sql(self, query: str) -> Any:
        """Ask the service's database for one value; for what no interface shows."""
        return asyncio.run(self._ask(query))

    async def _ask(self, query: str) -> Any:
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    def sql_seconds(self, *statements: str) -> float:
        """Return how long the first statement takes: the median of five times.

        The statements after it tidy up, and are not counted.
        """

        async def run() -> list[float]:
            connection = await asyncpg.connect(self.database_url)
            taken = []
            for _ in range(5):
                started = time.perf_counter()
                await connection.execute(statements[0])
                taken.append(time.perf_counter() - started)
                for statement in statements[1:]:
                    await connection.execute(statement)
            await connection.close()
            return taken

        return statistics.median(asyncio.run(run()))

    def preview(self) -> Answer:
        """Freeze all candidates."""
        return self.client.post("/v1/previews", {"partner_id": str(self.partner_id)})


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[Tenant]:
    """A tenant of a run-service that is yet to be started; its data goes when all is measured."""
    with ExitStack() as ends:
        data = Path(ends.enter_context(TemporaryDirectory()))
        issuer = ends.enter_context(Issuer())
        postgres = ends.enter_context(
            engines.postgres(data / "postgres", log=tmp_path / "postgres.log")
        )
        kafka = ends.enter_context(engines.kafka(data / "kafka", log=tmp_path / "kafka.log"))
        postgres.create_database("run_service")
        port = free_port()
        program = Program(
            "run-service",
            "serve",
            port=port,
            ready_path="/health/ready",
            log=tmp_path / "run-service.log",
            settings={
                "HTTP_HOST": HOST,
                "HTTP_PORT": str(port),
                "DATABASE_URL": postgres.url("run_service").replace("://", "+asyncpg://", 1),
                "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
                "AUTH_ISSUER": issuer.url,
                "AUTH_AUDIENCE": AUDIENCE,
                "AUTH_JWKS_URL": issuer.jwks_url,
            },
        )
        ends.callback(program.stop)
        program.run_or_fail("migrate")
        program.run_or_fail("topics", "--replication", "1")
        tenant_id = uuid4()
        client = ServiceClient(program.url, issuer.token(tenant_id, ROLES))
        ends.callback(client.close)
        yield Tenant(
            program, postgres.url("run_service"), kafka.bootstrap_servers, client, tenant_id
        )


@pytest.mark.timeout(3_600)
def test_a_large_tenant_is_handed_over_and_read_in_time(tenant: Tenant) -> None:
    print(f"{MEMBERS:,} members; requests follow each other:", flush=True)  # noqa: T201  as above
    everything = publish_snapshots(tenant)
    tenant.program.start()
    memory = Memory(tenant.program.pid)
    try:
        ingest(tenant, everything)
        note_memory(tenant, memory, "coming in")
        change_settings(tenant)
        read_summary(tenant)
        hand_over_single_members(tenant)
        preview_id = make_previews(tenant)
        read_members_of(tenant, preview_id)
        note_memory(tenant, memory, "until the run")
        run_id = make_run(tenant, preview_id)
        publish_handovers(tenant, preview_id, run_id)
        note_memory(tenant, memory, "handing over")
        read_runs(tenant, run_id)
        note_memory(tenant, memory, "reading the run")
    finally:
        memory.stop()
    if MEMBERS >= FULL_SIZE:
        assert [figure.what for figure in tenant.figures if figure.is_too_much] == []


# Each step, in the order of the test


def publish_snapshots(tenant: Tenant) -> int:
    """Let the owning systems publish everything, and return how many snapshots they are."""
    population = Population(members=MEMBERS, today=datetime.now(UTC).date())
    population.studios = population.studios[:STUDIOS]
    partner = PartnerSnapshotV1(
        partner_id=tenant.partner_id, sequence=1, name="Agency", channel="BY_HAND", status="ACTIVE"
    )

    def events() -> Iterator[Event]:
        yield partner
        yield from snapshots(population)

    published = asyncio.run(publish(tenant.bootstrap_servers, tenant.tenant_id, events()))
    return published.studios + published.members + published.claims


def ingest(tenant: Tenant, everything: int) -> None:
    """Wait until run-service has taken all snapshots in."""

    def known() -> int:
        return int(
            tenant.sql(
                """
                SELECT (SELECT count(*) FROM studios) + (SELECT count(*) FROM claims)
                       + (SELECT count(*) FROM members WHERE sequence IS NOT NULL)
                """
            )
        )

    with tenant.processes() as processes:
        known_before, started = known(), time.perf_counter()
        wait_until(
            lambda: known() == everything,
            limit=SECONDS_FOR_ALL_MEMBERS,
            what="all members and claims",
        )
        seconds = time.perf_counter() - started
    snapshots = everything - known_before
    tenant.measured("snapshots come in through Kafka", snapshots / seconds, "/s")
    tenant.used(processes, snapshots, "snapshot")


def change_settings(tenant: Tenant) -> None:
    """Leave out a kind of claims, and members who owe little: all are counted again."""
    order = {
        "minimum_amounts": [{"amount": "10.00", "currency": "EUR"}],
        "excluded_kinds": ["BANK_FEE"],
    }
    seconds = seconds_of(lambda: tenant.client.put("/v1/settings", order))
    tenant.measured("PUT /v1/settings: all members are counted again", seconds)


def read_summary(tenant: Tenant) -> None:
    """Ask who can be handed over, beside what it takes to read the claims once."""
    summary = tenant.client.get("/v1/candidates/summary")
    assert len(summary["studios"]) == STUDIOS
    assert {each["reason"] for each in summary["left_out"]} >= {
        "BELOW_MINIMUM", "BLOCKED", "DISPUTED", "MINOR_WITHOUT_GUARDIAN",
    }  # fmt: skip
    times = times_of(lambda _: tenant.client.get("/v1/candidates/summary"), REQUESTS)
    plain = tenant.sql_seconds("SELECT count(*), sum(amount) FROM claims")
    ratio = statistics.median(times) / plain
    compared = f", {ratio:.1f} x count(*) and sum(amount) of all claims"
    tenant.timed("GET /v1/candidates/summary", times, READ, compared)


def hand_over_single_members(tenant: Tenant) -> None:
    """Make many small runs, for the list of runs; those of members who owe enough."""
    path = f"/v1/previews/{tenant.preview()['preview_id']}/members"
    page = tenant.client.get(path, left_out="false", limit=str(SINGLE_HANDOVERS))
    members = iter(page["items"])

    def hand_over(_: int) -> None:
        order = {
            "member_id": next(members)["member_id"],
            "partner_id": str(tenant.partner_id),
        }
        tenant.client.post("/v1/handovers", order)

    tenant.timed("POST /v1/handovers of a member", times_of(hand_over, SINGLE_HANDOVERS))


def make_previews(tenant: Tenant) -> str:
    """Freeze all candidates a few times, and return the last preview's id."""
    previews: list[Answer] = []
    times = times_of(lambda _: previews.append(tenant.preview()), PREVIEWS)
    plain = tenant.sql_seconds("CREATE TABLE copied AS SELECT * FROM members", "DROP TABLE copied")
    assert previews[-1]["members"] > MEMBERS / 2
    tenant.measured(
        f"POST /v1/previews of {previews[-1]['members']:,} members, slowest of {PREVIEWS}",
        max(times),
        limit=PREVIEW,
        compared=f"median {statistics.median(times):.3f} s, "
        f"{statistics.median(times) / plain:.1f} x a plain copy of the members",
    )
    return str(previews[-1]["preview_id"])


def read_members_of(tenant: Tenant, preview_id: str) -> None:
    """Look at first pages of a preview."""
    for what, read in preview_reads(tenant, preview_id).items():
        tenant.timed(what, times_of(read, REQUESTS), READ)


def make_run(tenant: Tenant, preview_id: str) -> str:
    """Hand the whole tenant over, and return the run's id."""
    runs: list[Answer] = []
    order = {"preview_id": preview_id}
    seconds = seconds_of(lambda: runs.append(tenant.client.post("/v1/runs", order)))
    tenant.measured(f"POST /v1/runs of {runs[0]['members']:,} members", seconds, limit=RUN)
    return str(runs[0]["run_id"])


def publish_handovers(tenant: Tenant, preview_id: str, run_id: str) -> None:
    """Wait until Kafka has every member of the run; staff go on reading meanwhile."""
    reads = {
        "GET /v1/candidates/summary": lambda _: tenant.client.get("/v1/candidates/summary"),
        **preview_reads(tenant, preview_id),
        **run_reads(tenant, run_id),
    }
    taken: dict[str, list[float]] = {what: [] for what in reads}
    numbers = count()
    published_before = tenant.client.get(f"/v1/runs/{run_id}")["published"]
    started = time.perf_counter()

    def is_published() -> bool:
        number = next(numbers)
        for what, read in reads.items():
            taken[what].append(seconds_of(partial(read, number)))
        run = tenant.client.get(f"/v1/runs/{run_id}")
        is_out = run["published"] == run["members"]
        return is_out and not tenant.sql("SELECT count(*) FROM outbox")

    with tenant.processes() as processes:
        wait_until(is_published, limit=SECONDS_FOR_ALL_MEMBERS, what="the run")
        seconds = time.perf_counter() - started
    members = tenant.client.get(f"/v1/runs/{run_id}")["members"] - published_before
    tenant.measured(
        "members are handed over, as Kafka acknowledges", members / seconds, "members/s"
    )
    tenant.used(processes, members, "member")
    for what, times in taken.items():
        tenant.timed(f"  meanwhile {what}", times)


def read_runs(tenant: Tenant, run_id: str) -> None:
    """Look at the list of runs, and find members of the large one."""
    for what, read in run_reads(tenant, run_id).items():
        tenant.timed(what, times_of(read, REQUESTS), READ)


def note_memory(tenant: Tenant, memory: Memory, what: str) -> None:
    """Note the most memory that run-service had since the last time."""
    tenant.measured(f"memory, peak: {what}", memory.peak(), "MB", limit=MEMORY)


# What staff read

Read = Callable[[int], object]
"""Reads something; the number says the how many-th time it is."""


def preview_reads(tenant: Tenant, preview_id: str) -> Mapping[str, Read]:
    """First pages of the members of a preview."""
    path = f"/v1/previews/{preview_id}/members"
    return {
        "GET …/previews/…/members": lambda _: tenant.client.get(path),
        "GET …/previews/…/members?sort=-total": lambda _: tenant.client.get(path, sort="-total"),
        "GET …/previews/…/members?search=": lambda number: tenant.client.get(
            path, search=SEARCHES[number % len(SEARCHES)]
        ),
    }


def run_reads(tenant: Tenant, run_id: str) -> Mapping[str, Read]:
    """The list of runs, and first pages of the members of one."""
    path = f"/v1/runs/{run_id}/members"
    return {
        "GET /v1/runs": lambda _: tenant.client.get("/v1/runs"),
        "GET …/runs/…/members": lambda _: tenant.client.get(path),
        "GET …/runs/…/members?search=": lambda number: tenant.client.get(
            path, search=SEARCHES[number % len(SEARCHES)]
        ),
    }
