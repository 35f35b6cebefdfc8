"""The stages that members of a run go through: when the first and the last of them got there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A stage; `first` and `last` are seconds after the start.

    `share` is the part of the whole time that the run waited for this stage alone: from when all
    members were through the stages before it until the last one was through it. Together the
    shares are 1.
    """

    name: str
    first: float
    last: float
    share: float

    def __str__(self) -> str:
        return f"  {self.name:<34}{self.first:>9.2f} s{self.last:>9.2f} s{self.share:>9.0%}"


HEADING = f"  {'stage':<34}{'first':>11}{'last':>11}{'share':>9}"


def stages_of(
    times: Sequence[float], counts: Mapping[str, Sequence[int]], members: int
) -> list[Stage]:
    """Return the stages in their order; `counts` says how many were through, at each time.

    Raises `ValueError` when not all members got through a stage.
    """
    ends = {name: _reached(times, through, members, name) for name, through in counts.items()}
    whole = max(ends.values())
    stages: list[Stage] = []
    before = 0.0
    for name, through in counts.items():
        waited = max(0.0, ends[name] - before)
        stages.append(Stage(name, _reached(times, through, 1, name), ends[name], waited / whole))
        before = max(before, ends[name])
    return stages


def _reached(times: Sequence[float], counts: Sequence[int], number: int, name: str) -> float:
    """Return when so many were there for the first time."""
    for at, count in zip(times, counts, strict=True):
        if count >= number:
            return at
    raise ValueError(f"{name}: {number} members were never there")
