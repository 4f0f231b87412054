"""Dashboards as files: `{uid}.json`, as Grafana's file provisioning reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from leyden_dashboards.model import Dashboard

COMMITTED = Path(__file__).parents[1] / "grafana" / "dashboards"
"""Where the repository keeps them. An installed package has no such folder: name another."""


def text(dashboard: Dashboard) -> str:
    """The file's text; the same for the same dashboard, to the byte."""
    return json.dumps(dashboard.to_json(), indent=2, ensure_ascii=False) + "\n"


def write(dashboards: Iterable[Dashboard], folder: Path) -> list[Path]:
    """Write them into `folder`, and remove what is no dashboard of ours any more. The files written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for dashboard in dashboards:
        path = folder / f"{dashboard.uid}.json"
        path.write_text(text(dashboard), encoding="utf-8")
        written.append(path)
    for path in folder.glob("leyden-*.json"):
        if path not in written:
            path.unlink()
    return written
