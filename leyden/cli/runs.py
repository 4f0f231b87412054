"""`leyden runs [RUN_ID]`, `leyden runs checkpoints [RUN_ID]`, `leyden runs prune`: training runs and what they made."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from leyden.cli._shared import add_store, open_store, print_json
from leyden.cli.trigger import seconds
from leyden.terminal import say


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("runs", help="list training runs and checkpoints", description=__doc__)
    add_store(parser)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="RUN_ID",
        help="a run's id or its beginning; or `checkpoints [RUN_ID]`; or `prune`, which removes checkpoints' files",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the run's curves: .png, .svg or .pdf")
    parser.add_argument("--keep", type=int, metavar="N", help="prune: leave the N newest")
    parser.add_argument("--older-than", type=seconds, metavar="TIME", help="prune: only those made before 12h, 30d, …")
    parser.add_argument("--yes", action="store_true", help="prune: remove them; without it, only say which")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run, misused=parser.error)


def run(args: argparse.Namespace) -> int:
    match args.words:
        case []:
            return _list(args)
        case ["checkpoints", *of] if len(of) < 2:
            return _checkpoints(args, of[0] if of else None)
        case ["prune"] if (args.keep or 0) < 0:
            args.misused(f"--keep leaves the N newest: {args.keep} is too few")
        case ["prune"] if args.keep is not None or args.older_than is not None:
            return _prune(args)
        case ["prune"]:
            args.misused("say which checkpoints to remove: --keep N, --older-than TIME, or both")
        case [run_id]:
            return _one(args, run_id)
        case _:
            args.misused(f"one run, not {' '.join(args.words)}")
    return 2


def _one(args: argparse.Namespace, run_id: str) -> int:
    with open_store(args.store) as store:
        one = store.runs.get(run_id)
        curve = store.runs.curve(one.run_id)
        evaluations = store.evaluations.told_of_checkpoint(one.checkpoint)
    if args.plot:
        from leyden_trainers.curves import draw

        drawn = draw([(p["step"], p["name"], p["value"]) for p in curve], args.plot, f"{one.run_id}  {one.trainer}")
        print(f"{args.plot}" if drawn else f"the run {one.run_id} has logged nothing yet", file=sys.stderr)
        return int(not drawn)
    shown = {**one.to_json(), "curve": curve, "evaluations": evaluations}
    say(json.dumps(shown, ensure_ascii=False, indent=None if args.json else 2))
    return 0


def _checkpoints(args: argparse.Namespace, run_id: str | None) -> int:
    with open_store(args.store) as store:
        found = store.checkpoints.all(None if run_id is None else store.runs.get(run_id).run_id)
    for one in found:
        if args.json:
            print_json(one.to_json())
        else:
            size = f"{one.bytes / 1e6:.1f} MB"
            say(f"{one.run_id}  {one.state:<8}  step {one.step}  {size}  policy {one.policy_version}  {one.path}")
    return 0


def _prune(args: argparse.Namespace) -> int:
    from leyden.pruning import prune

    with open_store(args.store) as store:
        looked = prune(store, keep=args.keep, older_than_s=args.older_than, yes=args.yes)
    for one in looked:
        if args.json:
            print_json({**one.checkpoint.to_json(), "removed": args.yes and not one.stays, "stays": one.stays})
        else:
            word = f"left, {one.stays}" if one.stays else "removed" if args.yes else "would be removed"
            say(f"{one.checkpoint.path}  {word}")
    if looked and not args.yes and not args.json:
        print("nothing is removed without --yes", file=sys.stderr)
    return 0


def _list(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        found = store.runs.all()
    for each in found:
        if args.json:
            print_json(each.to_json())
        else:
            source = f"query {each.query} v{each.query_version}" if each.query else each.sql
            result = each.checkpoint or each.error
            say(f"{each.run_id}  {each.status:<9}  {each.trainer}  {each.spans} spans  {source}  {result}")
    return 0
