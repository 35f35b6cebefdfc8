"""What processes take while something is measured: time of the processors, and memory."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil
from tests.benchmarks.measuring import MEGABYTE

_PAUSE = 0.5


@dataclass(frozen=True)
class Used:
    """What a process took, with all that it started."""

    name: str
    cpu_seconds: float
    peak_megabytes: float


class Processes:
    """Looks at programs and all that they started, twice a second, from a thread.

    Of a process that ends, the last look counts. Memory that several processes of a program share
    counts once: the connections of PostgreSQL share its buffers. Whose a process is is asked once:
    to ask each program for all that it started is to read all processes of the machine each time.
    """

    def __init__(self, roots: Mapping[str, int]) -> None:
        self._roots = {psutil.Process(id_): name for name, id_ in roots.items()}
        self._programs: dict[psutil.Process, str | None] = {}
        """Of each process, which of the programs it is or was started by."""
        self._before: dict[str, float] = {}
        self._cpu: dict[str, dict[int, float]] = {name: {} for name in roots}
        self._peaks = dict.fromkeys(roots, 0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._look()
        self._before = {name: sum(cpu.values()) for name, cpu in self._cpu.items()}
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    @property
    def used(self) -> list[Used]:
        """What each program took, from the first look to the last one."""
        return [
            Used(name, sum(cpu.values()) - self._before[name], self._peaks[name] / MEGABYTE)
            for name, cpu in self._cpu.items()
        ]

    def _watch(self) -> None:
        while not self._ended.wait(_PAUSE):
            self._look()

    def _look(self) -> None:
        alone, shared = Counter[str](), Counter[str]()
        for process in psutil.process_iter():
            try:
                name = self._program(process)
                if name is None:
                    continue
                times, memory = process.cpu_times(), process.memory_info()
            except psutil.NoSuchProcess:
                continue
            self._cpu[name][process.pid] = times.user + times.system
            in_common = getattr(memory, "shared", 0)  # not every system tells
            alone[name] += memory.rss - in_common
            shared[name] = max(shared[name], in_common)
        for name in alone:
            self._peaks[name] = max(self._peaks[name], alone[name] + shared[name])

    def _program(self, process: psutil.Process) -> str | None:
        if process not in self._programs:
            line = [process, *process.parents()]
            names = (self._roots[each] for each in line if each in self._roots)
            self._programs[process] = next(names, None)
        return self._programs[process]


def engines() -> dict[str, int]:
    """Return the process of Kafka and the one of PostgreSQL; those in containers are not ours."""
    names = {"java": "Kafka", "postgres": "PostgreSQL"}
    return {
        names[child.name()]: child.pid
        for child in psutil.Process().children()
        if child.name() in names
    }
