"""How benchmarks measure: times, memory, and the table that they print."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import linear_regression

import psutil

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Figure:
    """Something that was measured: it must stay under the limit, and not under the least."""

    what: str
    value: float
    unit: str
    limit: float | None = None
    compared: str = ""
    least: float | None = None

    @property
    def is_too_much(self) -> bool:
        """Whether the limit does not hold."""
        return self.limit is not None and self.value >= self.limit

    @property
    def is_too_little(self) -> bool:
        """Whether it is less than it must be."""
        return self.least is not None and self.value < self.least

    def __str__(self) -> str:
        limit = "" if self.limit is None else f"< {self.limit:,.3g}"
        if self.least is not None:
            limit = f"> {self.least:,.4g}"
        mark = "!" if self.is_too_much or self.is_too_little else " "
        value = (
            f"{self.value:,.3f}" if self.unit in ("s", "times", "power") else f"{self.value:,.0f}"
        )
        return f"{mark} {self.what:<58}{value:>9} {self.unit:<9}{limit:<7} {self.compared}"


class Memory:
    """The resident memory of a process, looked at ten times a second."""

    def __init__(self, process_id: int) -> None:
        self._process = psutil.Process(process_id)
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            self._peak = max(self._peak, self._process.memory_info().rss)

    def peak(self) -> float:
        """Return the largest size since it was last asked for, in megabytes."""
        peak, self._peak = self._peak, 0
        return peak / MEGABYTE

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()


def times_of(do: Callable[[int], object], times: int) -> list[float]:
    """Return how many seconds each call takes; it is told its number, from 0 on."""
    return [seconds_of(partial(do, number)) for number in range(times)]


def p95(times: Sequence[float]) -> float:
    """Return the time that 95 of 100 take at most."""
    return percentile(times, 95)


def percentile(times: Sequence[float], share: int) -> float:
    """Return the time that so many of 100 take at most."""
    return sorted(times)[math.ceil(len(times) * share / 100) - 1]


def slope_of(seconds: Mapping[int, float]) -> float:
    """Return the power of its size with which a time grows, fitted to the time at each size."""
    sizes = [math.log(size) for size in seconds]
    return linear_regression(sizes, [math.log(each) for each in seconds.values()]).slope


def seconds_of(do: Callable[[], object]) -> float:
    """Return how long it takes."""
    started = time.perf_counter()
    do()
    return time.perf_counter() - started
