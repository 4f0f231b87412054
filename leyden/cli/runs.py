"""`leyden runs [RUN_ID]`: training runs and what they were made from."""

from __future__ import annotations

import argparse
import json

from leyden.cli._shared import add_store, open_store, print_json


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("runs", help="list training runs", description=__doc__)
    add_store(parser)
    parser.add_argument("run_id", nargs="?", metavar="RUN_ID", help="or its beginning")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        if args.run_id:
            one = store.runs.get(args.run_id)
            evaluations = store.evaluations.told_of_checkpoint(one.checkpoint)
            shown = {**one.to_json(), "curve": store.runs.curve(one.run_id), "evaluations": evaluations}
            print(json.dumps(shown, ensure_ascii=False, indent=None if args.json else 2))
            return 0
        found = store.runs.all()
    for each in found:
        if args.json:
            print_json(each.to_json())
        else:
            source = f"query {each.query} v{each.query_version}" if each.query else each.sql
            result = each.checkpoint or each.error
            print(f"{each.run_id}  {each.status:<9}  {each.trainer}  {each.spans} spans  {source}  {result}")
    return 0
