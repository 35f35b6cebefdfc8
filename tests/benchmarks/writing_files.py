"""How quick and how small our writers of files are, beside those of others in the same run (R41).

Not part of the tests: `make bench` runs it. The machine is busy with other things, so the seconds
are those of the processor, the writers take turns, and the best round of each counts.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final

import pytest
from tests.benchmarks.file_writers import WRITERS, Measured
from tests.benchmarks.handovers import handovers

from export_service.runs.rows import rows_of, texts_of
from kit.ids import new_id
from local_stack.data import Population

ROWS: Final = 5_000
ROUNDS: Final = 3
MANY: Final = 1_000_000
LEAST_RATIOS: Final = (
    ("xlsx", "openpyxl_write_only", 15.0),
    ("xlsx", "rustpy", 1.2),
    ("csv_guarded", "csv_bare", 0.7),
)
MOST_MEMORY: Final = 60.0
"""Megabytes."""

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of a run of believable members, as the service keeps them: texts, as JSON."""
    today = date(2026, 3, 2)
    members = handovers(Population(members=ROWS, today=today), new_id(), today)
    rows = (
        row for member in members for _, *stored in rows_of(member) for row in texts_of(*stored)
    )
    path = tmp_path_factory.mktemp("rows") / "rows.json"
    path.write_text(json.dumps(list(islice(rows, ROWS))))
    return path


def measured(writer: str, rows: Path, times: int = 1) -> Measured:
    """What a writer does in a process of its own."""
    target = rows.with_name(writer)
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.file_writers",
        writer,
        str(rows),
        str(target),
    ]
    answer = subprocess.run([*command, str(times)], check=True, capture_output=True)
    return Measured(**json.loads(answer.stdout))


def table(results: Sequence[tuple[str, Measured]]) -> str:
    """Figures for people."""
    lines = [f"\n{'':<20}{'rows':>10}{'rows/s':>10}{'file (kB)':>12}{'memory (MB)':>13}"]
    lines += [
        f"{name:<20}{result.rows:>10,}{result.rows_per_second:>10,.0f}{result.bytes / 1000:>12,.0f}"
        f"{result.memory:>13,.1f}"
        for name, result in results
    ]
    return "\n".join(lines)


def test_our_writers_are_quicker_than_others(rows: Path) -> None:
    """R41."""
    rounds = [
        {writer.__name__: measured(writer.__name__, rows) for writer in WRITERS}
        for _ in range(ROUNDS)
    ]
    best = {
        name: min((results[name] for results in rounds), key=lambda result: result.seconds)
        for name in rounds[0]
    }
    ratios = [
        (ours, theirs, best[theirs].seconds / best[ours].seconds, least)
        for ours, theirs, least in LEAST_RATIOS
    ]
    print(table(list(best.items())))  # noqa: T201  what a benchmark is for
    for ours, theirs, ratio, least in ratios:
        print(f"{ours} is {ratio:.2f} times as quick as {theirs}; at least {least}")  # noqa: T201
    assert all(ratio >= least for _, _, ratio, least in ratios)


@pytest.mark.parametrize("writer", ["xlsx", "csv_guarded"])
def test_a_million_rows_take_no_more_memory(rows: Path, writer: str) -> None:
    """R41: and no two of them alike."""
    result = measured(writer, rows, times=MANY // ROWS)
    print(table([(writer, result)]))  # noqa: T201  as above
    assert result.memory < MOST_MEMORY
