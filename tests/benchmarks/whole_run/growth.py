"""How the time of a run grows with its members: 10,000, 30,000, 100,000 and 300,000 of them.

`make bench-growth` runs it, each size with a system of its own. `make bench-growth MEMBERS=3000`
goes up to that size instead; the limits count at the full size only.
"""

import asyncio
import os
from pathlib import Path

import pytest
from tests.benchmarks.measuring import Figure, slope_of
from tests.benchmarks.whole_run.checks import check_leftovers
from tests.benchmarks.whole_run.handing_over import make_preview, show_run, take_snapshots
from tests.benchmarks.whole_run.measured import hand_over
from tests.benchmarks.whole_run.report import memories, say
from tests.benchmarks.whole_run.system import started

FULL_SIZE = 300_000
LARGEST = int(os.environ.get("MEMBERS", FULL_SIZE))
PARTS = (30, 10, 3, 1)
SLOPE = 1.1


@pytest.mark.timeout(14_400)
def test_time_grows_as_the_members_do(tmp_path: Path) -> None:
    seconds: dict[int, float] = {}
    figures: list[Figure] = []
    for part in PARTS:
        members = LARGEST // part
        with started(tmp_path / str(members), members) as system:
            take_snapshots(system)
            measured = asyncio.run(hand_over(system, make_preview(system)))
            show_run(measured)
            check_leftovers(system)
        seconds[members] = measured.seconds
        figures += memories(measured)
    slope = Figure("the time grows with the members to the", slope_of(seconds), "power", SLOPE)
    say(slope)
    if LARGEST >= FULL_SIZE:
        assert [each.what for each in (slope, *figures) if each.is_too_much] == []
