"""`leyden label TARGET`: score, correct or comment a rollout or a span; alone, show what was said of it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from leyden.cli._shared import add_store, open_store, print_json
from leyden.terminal import say


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("label", help="score, correct or comment", description=__doc__)
    add_store(parser)
    parser.add_argument("target", metavar="TARGET", help="a rollout, trace or span id, or TRACE_ID/SPAN_ID")
    parser.add_argument("--score", type=float, metavar="X", help="a reward with a source")
    parser.add_argument("--name", default="reward", metavar="NAME", help="the score's name (default: reward)")
    parser.add_argument("--why", default="", metavar="TEXT", help="why it has that score")
    parser.add_argument(
        "--correct",
        metavar="TEXT|@FILE",
        help="what the reply should have been: text, or an assistant message as JSON in a .json file",
    )
    parser.add_argument("--comment", metavar="TEXT")
    parser.add_argument("--author", metavar="NAME", help="who says so (default: you)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        labels = store.labels
        if args.score is not None:
            labels.score(args.target, args.score, name=args.name, author=args.author, why=args.why)
        if args.correct is not None:
            labels.correct(args.target, _reply(args.correct), author=args.author)
        if args.comment is not None:
            labels.comment(args.target, args.comment, author=args.author)
        said = labels.all(args.target)
    for one in said:
        if args.json:
            print_json(one)
        else:
            value = "" if one["value"] is None else f"{one['name']} {one['value']:g}  "
            where = f"{one['trace_id'][:12]}/{one['span_id']}  " if one["span_id"] else ""
            say(f"{one['at'][:19]}  {one['kind']:<10}  {one['author']}  {where}{value}{one['text']}")
    if not said:
        print("nothing was said of it yet", file=sys.stderr)
    return 0


def _reply(given: str) -> str | dict[str, Any]:
    from leyden_store.labels import LabelInvalid

    if not given.startswith("@"):
        return given
    path = Path(given[1:])
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".json":
            return text
        message = json.loads(text)
    except OSError as error:
        raise LabelInvalid(f"cannot read the correction from {path}: {error.strerror}") from error
    except ValueError as error:
        raise LabelInvalid(f"{path} is no JSON: {error}") from error
    if not isinstance(message, dict):
        raise LabelInvalid(f"{path} is no assistant message: it holds no object")
    return message
