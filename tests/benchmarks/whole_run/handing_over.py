"""How long it takes to hand 100,000 members with 300,000 claims over in one run, to the last row.

Not part of the tests: `make bench-run` runs it. Kafka, PostgreSQL and the four services are on this
machine. Measured is from the POST of the run until it is HANDED_OVER, all cases are open and
export-service has all rows; staff go on reading meanwhile. In the same run and on the same messages
it is held against a floor and against a tutorial's way (`baselines.py`), and what came of it is
checked. The environment, or what is given to make (`make bench-run MEMBERS=5000`), may say:

- `MEMBERS`: 100000 unless set. With fewer the ratios count alone, from 10,000 on.
- `INSTANCES`: of case-service, 1 unless set.
- `REVERSAL=1`: reverses the run afterwards, and measures that, too.
- `AUDIT=0`: leaves out the audit of the ledger, which takes longer than the run.
"""

import asyncio
import os
from pathlib import Path

import pytest
from tests.benchmarks.measuring import Figure, seconds_of
from tests.benchmarks.whole_run.baselines import floor, tutorial
from tests.benchmarks.whole_run.checks import check_ledger, check_leftovers, check_run
from tests.benchmarks.whole_run.ingest import ingest
from tests.benchmarks.whole_run.measured import Measured, hand_over, reverse
from tests.benchmarks.whole_run.report import memories, say, say_measured, waiting
from tests.benchmarks.whole_run.system import System, started

from local_stack.http_client import Answer

FULL_SIZE = 100_000
LARGE_ENOUGH = 10_000
"""Members from which on the time of a run does not hang on pauses between looks for work."""
MEMBERS = int(os.environ.get("MEMBERS", FULL_SIZE))
INSTANCES = int(os.environ.get("INSTANCES", "1"))
REVERSAL = os.environ.get("REVERSAL") == "1"
AUDIT = os.environ.get("AUDIT") != "0"

SECONDS = 45.0
SNAPSHOTS_A_SECOND = 8_000.0
TIMES_THE_FLOOR = 3.0
TIMES_THE_TUTORIAL = 11.0


@pytest.mark.timeout(7_200)
def test_everybody_is_handed_over_in_time(tmp_path: Path) -> None:
    with started(tmp_path / "stack", MEMBERS, INSTANCES) as system:
        figures = [take_snapshots(system)]
        preview = make_preview(system)
        measured = asyncio.run(hand_over(system, preview))
        figures += show_run(measured)
        check_run(system, preview, measured.run["run_id"], tmp_path)
        if REVERSAL:
            figures.append(reverse_run(system, measured))
        check_leftovers(system)
        if AUDIT:
            check_ledger(system)
        system.stop_services()
        ratios = compare(system, measured)
    counted = figures + ratios if MEMBERS >= FULL_SIZE else ratios
    if MEMBERS >= LARGE_ENOUGH:
        assert [each.what for each in counted if each.is_too_much or each.is_too_little] == []


def take_snapshots(system: System) -> Figure:
    """Let all members and claims come in."""
    came_in = asyncio.run(ingest(system))
    rate = came_in.snapshots / came_in.seconds
    compared = f"{came_in.snapshots:,} in {came_in.seconds:.1f} s"
    figure = Figure("snapshots come in", rate, "/s", least=SNAPSHOTS_A_SECOND, compared=compared)
    say(figure)
    return figure


def make_preview(system: System) -> Answer:
    """Freeze everybody."""
    previews: list[Answer] = []
    order = {"partner_id": system.partner_id}
    seconds = seconds_of(lambda: previews.append(system.runs.post("/v1/previews", order)))
    assert previews[0]["members"] == system.members
    say(Figure("POST /v1/previews", seconds, "s"))
    return previews[0]


def show_run(measured: Measured) -> list[Figure]:
    """Print what was measured of the run, and return what has a limit."""
    rate = f"{measured.members / measured.seconds:,.0f} members/s"
    what = f"{measured.members:,} members are handed over"
    whole = Figure(what, measured.seconds, "s", SECONDS, rate)
    say(whole)
    say_measured(measured, "handing-over")
    used = list(memories(measured))
    for figure in used:
        say(figure)
    return [whole, waiting(measured.waited), *used]


def reverse_run(system: System, handed_over: Measured) -> Figure:
    """Reverse the run, and hold that against its handover."""
    measured = asyncio.run(reverse(system, handed_over.run["run_id"]))
    say(Figure("the run is reversed", measured.seconds, "s"))
    say_measured(measured, "reversing")
    waiting(measured.waited)
    ratio = measured.seconds / handed_over.seconds
    figure = Figure("reversing is longer than handing over", ratio, "times", 1.0)
    say(figure)
    return figure


def compare(system: System, measured: Measured) -> list[Figure]:
    """Hold the run against the floor and against the tutorial's way, with the same messages."""
    copied = floor(system)
    a_second = tutorial(system)
    whole_way = measured.members / a_second
    figures = [
        Figure(
            "the run is longer than a plain copy of its rows",
            measured.seconds / copied,
            "times",
            TIMES_THE_FLOOR,
            f"{copied:.2f} s, {measured.members / copied:,.0f} members/s",
        ),
        Figure(
            "a tutorial's way is longer than the run",
            whole_way / measured.seconds,
            "times",
            least=TIMES_THE_TUTORIAL,
            compared=f"{whole_way:.1f} s, {a_second:,.0f} members/s",
        ),
    ]
    for figure in figures:
        say(figure)
    return figures
