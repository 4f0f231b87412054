"""`leyden score`: run a reward function over stored rollouts and keep its scores as rewards."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from leyden.cli._selecting import add_selection, selection_of
from leyden.cli._shared import add_store, counted, open_store, print_json
from leyden.terminal import say


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("score", help="reward stored rollouts", description=__doc__)
    add_store(parser)
    add_selection(parser, data=True)
    parser.add_argument(
        "--reward",
        required=True,
        action="append",
        metavar="FUNCTION",
        help="exact, regex, json, number, tests, judge, sql, one that is installed, or module:function; "
        "a comparison ('accuracy>0.5') beside it selects",
    )
    parser.add_argument("--as", dest="name", metavar="NAME", help="the reward's name (default: the function's)")
    parser.add_argument(
        "--reference", type=Path, metavar="FILE", help='JSON Lines of {"group_id" or "rollout_id": …, "reference": …}'
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the function")
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="rollouts judged at once (default: 4)")
    parser.add_argument("--new", action="store_true", help="only rollouts that this version has not scored")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden.scoring import score, score_by_sql
    from leyden_exporters.errors import OptionsInvalid
    from leyden_exporters.scoring import find_reward, reference_of
    from leyden_store.filters import is_comparison

    names = [one for one in args.reward if not is_comparison(one)]
    if len(names) != 1:
        raise OptionsInvalid("name one reward function: --reward exact, or --reward module:function")
    if args.workers < 1:
        raise OptionsInvalid("at least one worker is needed")
    settings = {}
    for one in args.set:
        key, equals, value = one.partition("=")
        if not equals:
            raise OptionsInvalid(f"--set {one!r} is not KEY=VALUE")
        settings[key] = value
    sys.path.insert(0, os.getcwd())  # a function of the user's own lies beside them
    function = None if names[0] == "sql" else find_reward(names[0], settings)
    reference = reference_of(args.reference) if args.reference else None
    with open_store(args.store) as store:
        selection = selection_of(args, store, data=True, purpose="score")
        if function is None:
            done = score_by_sql(store, selection, settings, name=args.name, only_new=args.new)
        else:
            done = score(
                store,
                selection,
                function,
                name=args.name,
                reference=reference or (lambda _: None),
                workers=args.workers,
                only_new=args.new,
                watch=counted,
            )
    if args.json:
        print_json(done.to_json())
    else:
        told = done.to_json()
        mean = "" if told["mean"] is None else f", mean {told['mean']:.4g}"
        agreement = "" if told["agreement"] is None else f", judges agree {told['agreement']:.2f}"
        say(f"scored {done.scored} of {done.rollouts} rollouts as {done.name} ({done.source}){mean}{agreement}")
    for kind in ("skipped", "nothing_said", "no_reference"):
        if count := getattr(done, kind):
            print(f"leyden: {kind.replace('_', ' ')}: {count}", file=sys.stderr)
    for failure in done.failures:
        print(f"leyden: no score for {failure}", file=sys.stderr)
    if done.no_reference and not done.scored:
        print("leyden: give --reference FILE, whose lines name these rollouts or their groups", file=sys.stderr)
        return 1
    return 1 if done.errors else 0
