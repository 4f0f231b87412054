"""`leyden turns`: every LLM call of the selected rollouts, one JSON object a line."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from leyden.cli._selecting import add_selection, selection_of
from leyden.cli._shared import add_store, open_store, print_json


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("turns", help="list LLM calls, alike for every instrumentation", description=__doc__)
    add_store(parser)
    add_selection(parser)
    parser.add_argument("--json", action="store_true", help="JSON whether or not this is a terminal")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    dropped: Counter[str] = Counter()
    with open_store(args.store) as store:
        for rollout in store.rollouts(selection_of(args, store, purpose="turns")):
            dropped.update(str(d.reason) for d in rollout.dropped)
            for turn in rollout.turns:
                print_json(turn.to_json())
    if dropped:
        said = ", ".join(f"{n} {reason}" for reason, n in sorted(dropped.items()))
        print(f"leyden: LLM spans that are no turn: {said}", file=sys.stderr)
    return 0
