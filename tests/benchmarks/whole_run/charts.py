"""What happened over time, as lines of text."""

import math
from collections.abc import Mapping, Sequence

_WIDTH = 60
_BLOCKS = " ▁▂▃▄▅▆▇█"

Series = Mapping[str, Sequence[int]]
"""Numbers over time, by what they count."""


def line_of(times: Sequence[float], values: Sequence[int], width: int = _WIDTH) -> str:
    """Draw numbers as blocks, the largest as a whole one; anything above zero can be seen.

    Each column is an equal part of the time, and shows the largest value in it; where nothing was
    seen, the value before it.
    """
    columns: list[int | None] = [None] * width
    end = times[-1] or 1
    for at, value in zip(times, values, strict=True):
        column = max(0, math.ceil(at / end * width) - 1)
        columns[column] = max(value, columns[column] or 0)
    largest = max(*values, 1)
    drawn, before = [], 0
    for height in columns:
        before = before if height is None else height
        drawn.append(_BLOCKS[-(-before * (len(_BLOCKS) - 1) // largest)])
    return "".join(drawn)


def text_of(what: str, times: Sequence[float], series: Series) -> str:
    """Draw each series as a line, and say how much it was at most."""
    lines = [f"{what}, over {times[-1]:.1f} s:"]
    lines += [
        f"  {name:<18}|{line_of(times, values)}| at most {max(values):,}"
        for name, values in series.items()
    ]
    return "\n".join(lines)
