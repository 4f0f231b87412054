"""`leyden compare A B`: which of two evaluations of the same tasks is better, by paired differences, and why."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from leyden.cli._shared import add_store, open_store, print_json
from leyden.terminal import say

if TYPE_CHECKING:
    from leyden_store.evaluations import Comparison


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("compare", help="say which of two evaluations is better", description=__doc__)
    add_store(parser)
    parser.add_argument("a", metavar="A", help="an evaluation, by its id or name: the one there was before")
    parser.add_argument("b", metavar="B", help="the one that is to be better")
    parser.add_argument(
        "--reward", metavar="NAME", help="the reward that decides (default: 'reward', else the only one)"
    )
    add_verdict(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def add_verdict(parser: argparse.ArgumentParser) -> None:
    """`--require`, which makes the exit code a guard."""
    parser.add_argument(
        "--require",
        choices=["better", "not-worse"],
        help="exit with 1 unless the second won, or unless the first did not",
    )


def run(args: argparse.Namespace) -> int:
    from leyden_trainers.evaluation.comparing import compare

    with open_store(args.store) as store:
        a, b = (store.evaluations.get(name) for name in (args.a, args.b))
        reward = args.reward or (a.config.get("reward") if a.config.get("reward") == b.config.get("reward") else None)
        verdict = compare(store.evaluations, a, b, reward=reward)
    if args.json:
        print_json(verdict.to_json())
    return tell(verdict, args, quiet=args.json)


def tell(verdict: Comparison, args: argparse.Namespace, *, quiet: bool) -> int:
    """Say the verdict and its measures; the exit code that `--require` asks for."""
    if not quiet:
        say(verdict.why)
        for measure in verdict.measures:
            say(f"  {_line(measure)}")
    failed = (args.require == "better" and verdict.winner != "b") or (
        args.require == "not-worse" and verdict.winner == "a"
    )
    return int(failed)


def _line(one: Any) -> str:
    interval = "" if one["low"] is None else f" [{one['low']:+.4g}, {one['high']:+.4g}]"
    counts = f"{one['wins']} up, {one['losses']} down, {one['ties']} same"
    unpaired = f", {one['unpaired']} tasks in one alone" if one["unpaired"] else ""
    return (
        f"{one['measure']:<14}  {one['a']:.4g} → {one['b']:.4g}  {one['difference']:+.4g}{interval}  p = {one['p']:.2g}"
        f"  {counts}{unpaired}"
    )
