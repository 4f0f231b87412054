"""A list of traces as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table


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
            f"[red]{t['errors']}[/red]" if t["errors"] else "0",
            t["name"],
            t["agent"] or t["service"],
            t["rollout_id"],
        )
    console = Console()
    if not console.is_terminal:
        console.width = 240  # a pipe has no width to keep to
    console.print(table if traces else "no traces; record some with: leyden run -- python agent.py")
