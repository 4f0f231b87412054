"""`leyden sessions`: conversations of several traces, those that began last first."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from leyden.cli._shared import add_limit, add_store, open_store, print_json


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("sessions", help="list sessions", description=__doc__)
    add_store(parser)
    parser.add_argument("--project", default="", metavar="P")
    parser.add_argument("--user", default="", metavar="ID")
    parser.add_argument("--agent", default="", metavar="NAME")
    add_limit(parser, 20)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        found = store.list_sessions(project=args.project, user=args.user, agent=args.agent, limit=args.limit).rows
    if args.json:
        for row in found:
            print_json(row)
        return 0
    from rich.table import Table

    from leyden.showing import show

    table = Table("session", "started", "traces", "with errors", "user", "agents", box=None, header_style="bold")
    for row in found:
        table.add_row(
            row["session_id"],
            f"{datetime.fromtimestamp(row['start_ns'] / 1e9, UTC):%Y-%m-%d %H:%M:%S}",
            str(row["traces"]),
            str(row["traces_with_errors"]),
            row["user_id"],
            ", ".join(row["agents"]),
        )
    show(table if found else "no span names a session")
    return 0
