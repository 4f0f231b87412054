"""`leyden demo`: the whole way once, offline: record rollouts, look at them, train on them, measure what it brought."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("demo", help="see it all work, offline, in a few minutes", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where store and checkpoints go (default: a new folder under ./.leyden)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden.demo.demo import run_demo

    return run_demo(out=args.out, seed=args.seed, as_json=args.json)
