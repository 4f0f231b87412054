"""A list of traces as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from leyden.showing import show


def draw_traces(traces: Sequence[dict[str, Any]]) -> None:
    """Print traces as `LightningStore.traces` gives them; says what to do where there are none."""
    table = Table(
        "trace", "started", "took", "spans", "LLM", "errors", "name", "agent", "rollout", box=None, header_style="bold"
    )
    for column in table.columns:
        column.no_wrap = True
    for t in traces:
        table.add_row(
            t["trace_id"][:16],
            f"{datetime.fromtimestamp(t['start_ns'] / 1e9, UTC):%Y-%m-%d %H:%M:%S}",
            f"{(t['end_ns'] - t['start_ns']) / 1e9:.2f} s",
            str(t["spans"]),
            str(t["llm_spans"]),
            Text(str(t["errors"]), style="red" if t["errors"] else ""),
            t["name"],
            t["agent"] or t["service"],
            t["rollout_id"],
        )
    show(table if traces else "no traces; record some with: leyden run -- python agent.py")
