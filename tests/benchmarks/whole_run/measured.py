"""A run goes out, and is taken back: what is measured of either."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.whole_run.looks import CASES, HANDOVERS, Look, Looking
from tests.benchmarks.whole_run.members import CLAIMS_EACH
from tests.benchmarks.whole_run.processes import Processes, Used
from tests.benchmarks.whole_run.staff import Waited, reading_staff
from tests.benchmarks.whole_run.stages import Stage, stages_of
from tests.benchmarks.whole_run.system import System, until_quiet

from local_stack.http_client import Answer
from local_stack.processes import LocalStackError

_PAUSE = 0.5
"""Seconds between looks: they take processor time from what they look at."""
_OPEN = "SELECT count(*) FROM cases WHERE run_id = $1 AND status = 'OPEN'"
_CLOSED = "SELECT count(*) FROM cases WHERE run_id = $1 AND status = 'CLOSED'"
_ROWS = "SELECT sum(json_array_length(claims)) FROM handover_rows WHERE run_id = $1"

Stages = Callable[[Look, Look], Mapping[str, int]]
"""How many members are through each stage, at a look; the other one was before the order."""


@dataclass(frozen=True)
class Measured:
    """What was seen from an order until all members were through; times are in seconds."""

    run: Answer
    members: int
    seconds: float
    """From the order to the last member's last stage."""
    answered_after: float
    """Until the order was answered."""
    beside: Mapping[str, float]
    """Until a service, for which nobody waits, was through, too."""
    times: Sequence[float]
    looks: Sequence[Look]
    through: Mapping[str, Sequence[int]]
    used: Sequence[Used]
    own_cpu_seconds: float
    """What this program itself took."""
    waited: Waited = field(default_factory=dict)

    @property
    def stages(self) -> list[Stage]:
        """The stages in their order."""
        return stages_of(self.times, self.through, self.members)


async def hand_over(system: System, preview: Answer) -> Measured:
    """Make a run of a preview; follow it until it is handed over and everybody has all of it."""

    def stages(look: Look, before: Look) -> Mapping[str, int]:
        told = look.written[CASES] - before.written[CASES]
        return {
            "saved by run-service": look.run["published"],
            "member.handed-over published": look.written[HANDOVERS] - before.written[HANDOVERS],
            "cases open at case-service": _done(look, before, "case-service", HANDOVERS),
            "case.opened published": told,
            "answers read by run-service": _done(look, before, "run-service", CASES),
            "run handed over": _if_status(look, "HANDED_OVER"),
            "rows at export-service": _done(look, before, "export-service", HANDOVERS),
        }

    def beside(look: Look, before: Look) -> Mapping[str, int]:
        return {
            "partner-gateway keeps all cases": _done(look, before, "partner-gateway", HANDOVERS),
            "export-service knows all are open": _done(look, before, "export-service", CASES),
        }

    def order() -> Answer:
        return system.runs.post("/v1/runs", {"preview_id": preview["preview_id"]})

    async with Looking(system.stack, system.runs) as looking:
        measured = await _follow(system, looking, order, stages, beside)
        run_id = measured.run["run_id"]
        assert await looking.count("case-service", _OPEN, run_id) == system.members
        rows = await looking.count("export-service", _ROWS, run_id)
        assert rows == CLAIMS_EACH * system.members
    return measured


async def reverse(system: System, run_id: str) -> Measured:
    """Reverse the run; follow it until all cases are closed, and it is cancelled."""

    def stages(look: Look, before: Look) -> Mapping[str, int]:
        return {
            "case.closed published": look.written[CASES] - before.written[CASES],
            "endings read by run-service": _done(look, before, "run-service", CASES),
            "endings counted": look.run["ended"],
            "run cancelled": _if_status(look, "CANCELLED"),
        }

    def beside(look: Look, before: Look) -> Mapping[str, int]:
        return {
            "partner-gateway has all notices": _done(look, before, "partner-gateway", CASES),
            "export-service knows all are closed": _done(look, before, "export-service", CASES),
        }

    def order() -> Answer:
        body = {"confirmed": True, "reason": "Falsche Studios ausgewählt"}
        return system.runs.post(f"/v1/runs/{run_id}/reversal", body)

    async with Looking(system.stack, system.runs) as looking:
        measured = await _follow(system, looking, order, stages, beside)
        assert await looking.count("case-service", _CLOSED, run_id) == system.members
    return measured


async def _follow(
    system: System,
    looking: Looking,
    order: Callable[[], Answer],
    stages: Stages,
    beside: Stages,
) -> Measured:
    """Give an order, and look until everything is through, also what is `beside` the path."""
    await until_quiet(system, looking)
    before = await looking.look()
    looks: list[Look] = []
    with Processes(system.processes) as processes:
        own_cpu, started = time.process_time(), time.perf_counter()
        run = await asyncio.to_thread(order)
        answered_after = time.perf_counter() - started
        with reading_staff(system.runs, system.cases, run["run_id"]) as waited:
            is_through = False
            while not is_through:
                await asyncio.sleep(_PAUSE if looks else 0)
                look = await looking.look(run["run_id"])
                looks.append(look)
                counts = {**stages(look, before), **beside(look, before)}
                is_through = min(counts.values()) >= system.members
                if look.at - started > system.limit:
                    dead = [program.name for program in system.stack.dead]
                    raise LocalStackError(f"no further than {counts}; have ended: {dead}")
        own_cpu = time.process_time() - own_cpu
    times = [look.at - started for look in looks]
    through = _over_time(stages, looks, before)
    aside = stages_of(times, _over_time(beside, looks, before), system.members)
    return Measured(
        run=looks[-1].run,
        members=system.members,
        seconds=max(stage.last for stage in stages_of(times, through, system.members)),
        answered_after=answered_after,
        beside={stage.name: stage.last for stage in aside},
        times=times,
        looks=looks,
        through=through,
        used=processes.used,
        own_cpu_seconds=own_cpu,
        waited=waited,
    )


def _over_time(stages: Stages, looks: Sequence[Look], before: Look) -> dict[str, list[int]]:
    counts = [stages(look, before) for look in looks]
    return {name: [count[name] for count in counts] for name in counts[0]}


def _done(look: Look, before: Look, service: str, topic: str) -> int:
    return look.done[service, topic] - before.done[service, topic]


def _if_status(look: Look, status: str) -> int:
    """Return all members when the run has a status: it gets there as a whole."""
    return int(look.run["members"]) if look.run["status"] == status else 0
