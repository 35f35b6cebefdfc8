"""What was measured, as text and as a picture."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from tests.benchmarks.measuring import Figure, p95, percentile
from tests.benchmarks.whole_run.charts import Series, text_of
from tests.benchmarks.whole_run.measured import Measured
from tests.benchmarks.whole_run.picture import draw
from tests.benchmarks.whole_run.staff import Waited
from tests.benchmarks.whole_run.stages import HEADING

from local_stack.places import WORKING_DIRECTORY
from local_stack.stack import SERVICES

MEMORY = 400.0
READ = 0.5
_PICTURES = WORKING_DIRECTORY / "benchmarks"


def say(what: object) -> None:
    """Print a line at once: all of them take long."""
    print(what, flush=True)  # noqa: T201  what a benchmark is for


def say_measured(measured: Measured, name: str) -> None:
    """Print stages, processes, waiting and what waited over time; draw that, too."""
    say(HEADING)
    for stage in measured.stages:
        say(stage)
    say(f"  the order was answered after {measured.answered_after:.2f} s")
    for what, seconds in measured.beside.items():
        say(f"  beside: {what} after {seconds:.2f} s")
    say(f"  {'process':<34}{'CPU time':>11}{'memory, peak':>16}")
    for used in measured.used:
        say(f"  {used.name:<34}{used.cpu_seconds:>9.2f} s{used.peak_megabytes:>13,.0f} MB")
    say(f"  {'this benchmark':<34}{measured.own_cpu_seconds:>9.2f} s")
    outboxes = _series([look.outboxes for look in measured.looks])
    lags = _series([look.lags for look in measured.looks])
    say(text_of("events in the outbox", measured.times, outboxes))
    say(text_of("messages to read", measured.times, lags))
    path = _PICTURES / f"{name}-of-{measured.members}.png"
    panels = {
        "members through each stage": measured.through,
        "events in the outbox": outboxes,
        "messages to read": lags,
    }
    draw(path, measured.times, panels)
    say(f"  drawn in {path}")


def waiting(waited: Waited) -> Figure:
    """Print how long staff waited for each thing they read; return how long for all of them."""
    for what, times in waited.items():
        say(_reading(f"  meanwhile {what}", times, None))
    figure = _reading("reads by staff meanwhile", list(chain(*waited.values())), READ)
    say(figure)
    return figure


def memories(measured: Measured) -> Iterator[Figure]:
    """Return the most memory of each service."""
    for used in measured.used:
        if used.name.startswith(SERVICES):
            yield Figure(f"memory of {used.name}, peak", used.peak_megabytes, "MB", MEMORY)


def _reading(what: str, times: Sequence[float], limit: float | None) -> Figure:
    median = f"p50 {percentile(times, 50):.3f} s, {len(times)} reads"
    return Figure(f"{what}, p95", p95(times), "s", limit, median)


def _series(looks: Sequence[Mapping[str, int]]) -> Series:
    return {name: [look[name] for look in looks] for name in looks[0]}
