"""`leyden trace TRACE_ID`: one span tree."""

from __future__ import annotations

import argparse

from leyden.cli._shared import add_store, open_store, print_json


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("trace", help="show one span tree", description=__doc__)
    add_store(parser)
    parser.add_argument("trace_id", metavar="TRACE_ID", help="or its beginning")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        tree = store.trace(args.trace_id)
    if args.json:
        from leyden_store.tree_json import tree_json

        print_json(tree_json(tree))
        return 0
    from leyden.draw import draw
    from leyden.showing import show

    show(draw(tree))
    return 0
