"""`leyden traces`: the newest traces."""

from __future__ import annotations

import argparse

from leyden.cli._selecting import add_selection, selection_of
from leyden.cli._shared import add_limit, add_store, open_store, print_json


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("traces", help="list traces", description=__doc__)
    add_store(parser)
    add_selection(parser)
    add_limit(parser, 20)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        found = store.traces(selection_of(args, store), limit=args.limit)
    if args.json:
        for trace in found:
            print_json(trace)
        return 0
    from leyden.draw_traces import draw_traces

    draw_traces(found)
    return 0
