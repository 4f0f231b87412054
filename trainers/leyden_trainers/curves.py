"""Curves of a run as a picture: the loss, the reward if there is one, and what else tells how training goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

FILE = "curves.png"
"""Its name in a checkpoint."""

Point = tuple[int, str, float]
"""Step, metric, value."""

_FIRST = ("loss", "reward", "rewards", "accuracy", "kl", "grad_norm", "learning_rate")
_MOST = 12
_UNTOLD = ("train_", "total_flos", "epoch", "progress")
"""Beginnings of what is one number a run, or only says how far it is."""


def draw(points: Iterable[Point], path: Path, title: str = "") -> bool:
    """Write the picture, each metric over the steps in a panel of its own; False when there is nothing to draw.

    The file's suffix says its kind: png, svg or pdf.
    """
    metrics = _chosen(points)
    if not metrics:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(len(metrics), 3)
    rows = -(-len(metrics) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.8 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=10)
    for place, (name, values) in enumerate(metrics.items()):
        panel = figure.add_subplot(rows, columns, place + 1)
        panel.plot(*zip(*values, strict=True), linewidth=1.2, marker="." if len(values) < 30 else "")
        panel.set_title(name, fontsize=9)
        panel.tick_params(labelsize=7)
        panel.grid(alpha=0.3)
        if place >= len(metrics) - columns:
            panel.set_xlabel("step", fontsize=8)
    figure.savefig(path, dpi=110, metadata={"Software": None} if path.suffix == ".png" else None)
    return True


def _chosen(points: Iterable[Point]) -> dict[str, Sequence[tuple[int, float]]]:
    """Metrics by name, what says most first."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for step, name, value in points:
        if not name.startswith(_UNTOLD):
            found[name][step] = value
    return {name: sorted(found[name].items()) for name in sorted(found, key=_place)[:_MOST]}


def _place(name: str) -> tuple[int, str]:
    last = name.rpartition("/")[2]
    place = next((i for i, first in enumerate(_FIRST) if last == first or name.split("/")[0] == first), len(_FIRST))
    return place, name
