"""What happened over time, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from tests.benchmarks.whole_run.charts import Series


def draw(path: Path, times: Sequence[float], panels: Mapping[str, Series]) -> None:
    """Draw one panel above the other, into a PNG."""
    picture = Figure(figsize=(10, 3.5 * len(panels)), layout="constrained")
    axes = picture.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for panel, (title, series) in zip(axes, panels.items(), strict=True):
        for name, values in series.items():
            panel.plot(times, values, label=name)
        panel.set_title(title)
        panel.set_ylim(bottom=0)
        panel.grid(visible=True, alpha=0.3)
        panel.legend(loc="upper left", fontsize="small")
    axes[-1].set_xlabel("seconds after the order")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path)
