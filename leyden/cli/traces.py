"""`leyden traces`: the newest traces."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from leyden.cli._shared import add_selection, add_store, open_store, print_json


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("traces", help="list traces", description=__doc__)
    add_store(parser)
    add_selection(parser)
    parser.add_argument("--limit", type=int, default=20, metavar="N")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        found = store.traces(store.select(query=args.query, where=args.where), limit=args.limit)
    if args.json:
        for trace in found:
            print_json(trace)
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "trace", "started", "took", "spans", "LLM", "errors", "name", "agent", "rollout", box=None, header_style="bold"
    )
    for column in table.columns:
        column.no_wrap = True
    for t in found:
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
    console.print(table if found else "no traces; record some with: leyden run -- python agent.py")
    return 0
