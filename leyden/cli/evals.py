"""`leyden evals [ID]`: evaluations, and one with its rollouts and the comparisons it took part in."""

from __future__ import annotations

import argparse
import json

from leyden.cli._shared import add_store, open_store, print_json
from leyden.terminal import say


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("evals", help="list evaluations", description=__doc__)
    add_store(parser)
    parser.add_argument("name", nargs="?", metavar="ID", help="or its beginning, or a name")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden.cli.evaluate import lines

    with open_store(args.store) as store:
        if args.name:
            shown = store.evaluations.told(store.evaluations.get(args.name))
            say(json.dumps(shown, ensure_ascii=False, indent=None if args.json else 2))
            return 0
        found = store.evaluations.all()
    for each in found:
        if args.json:
            print_json(each.to_json())
        else:
            say("\n".join(lines(each)))
    return 0
