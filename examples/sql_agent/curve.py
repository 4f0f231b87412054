"""python -m examples.sql_agent.curve OUT.png NAME=RUN_ID…: the reward of runs over their steps, as a picture."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from leyden_store.lightning import LightningStore

out, *runs = sys.argv[1:]
figure = Figure(figsize=(6.0, 3.2), layout="constrained")
FigureCanvasAgg(figure)
panel = figure.add_subplot()
with LightningStore.open(os.environ.get("LEYDEN_STORE")) as store:
    for named in runs:
        name, _, run_id = named.partition("=")
        points = [(row["step"], row["value"]) for row in store.runs.curve(run_id) if row["name"] == "reward"]
        panel.plot(*zip(*points, strict=True), label=name, linewidth=1.4)
panel.set_xlabel("step")
panel.set_ylabel("mean reward of a step")
panel.set_ylim(0, 1.02)
panel.grid(alpha=0.3)
panel.legend(frameon=False)
figure.savefig(Path(out), dpi=100, metadata={"Software": None})
