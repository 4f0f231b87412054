"""`leyden prompt save|list|show|label|delete`: prompts as versioned resources, which agents fetch by a label."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from leyden.cli._shared import add_store, open_store, print_json
from leyden.terminal import say

if TYPE_CHECKING:
    from leyden_store.prompts import Prompt


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("prompt", help="save and label prompts", description=__doc__)
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    save = actions.add_parser("save", help="save a prompt; the same name again makes a new version")
    save.add_argument("name", metavar="NAME")
    save.add_argument(
        "--text", required=True, metavar="TEXT|@FILE", help="a template, {{name}} a variable; - reads stdin"
    )
    save.add_argument("--description", default="", metavar="TEXT")
    save.add_argument("--label", action="append", default=[], metavar="LABEL", help="name this version; repeatable")
    save.set_defaults(run=_save)

    listing = actions.add_parser("list", help="every prompt")
    listing.set_defaults(run=_list)

    show = actions.add_parser("show", help="one prompt: its text, versions, labels and where it came from")
    show.add_argument("name", metavar="NAME[@WHICH]", help="WHICH is a version or a label (default: production)")
    show.set_defaults(run=_show)

    label = actions.add_parser("label", help="let a label name a version: agents fetch that one from now on")
    label.add_argument("name", metavar="NAME")
    label.add_argument("label", metavar="LABEL")
    label.add_argument("version", metavar="VERSION", type=int)
    label.set_defaults(run=_label)

    delete = actions.add_parser("delete", help="take a prompt out of use")
    delete.add_argument("name", metavar="NAME")
    delete.set_defaults(run=_delete)

    for action in (save, listing, show, label, delete):
        add_store(action)
    for action in (save, listing, show, label):
        action.add_argument("--json", action="store_true", help="one JSON object a line")


def _save(args: argparse.Namespace) -> int:
    text = _text(args.text)
    with open_store(args.store) as store:
        saved = store.prompts.save(args.name, text, description=args.description)
        for label in args.label:
            saved = store.prompts.label(saved.name, label, saved.version)
    print_json(saved.to_json()) if args.json else say(f"saved {_line(saved)}")
    return 0


def _list(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        found = store.prompts.all()
    for one in found:
        print_json(one.to_json()) if args.json else say(_line(one))
    return 0


def _show(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        shown = store.prompts.find(args.name)
        versions = store.prompts.versions(shown.name)
        moves = store.prompts.moves(shown.name)
    if args.json:
        told = [{**move, "set_at": move["set_at"].isoformat()} for move in moves]
        print_json({**shown.to_json(), "versions": [one.version for one in versions], "label_moves": told})
        return 0
    say(f"{_line(shown)}  by {shown.owner}  {shown.created_at:%Y-%m-%d %H:%M}")
    for one in versions:
        say(f"  {_line(one)}")
    for move in moves:
        say(f"  {move['label']} → {move['version']}  by {move['owner']}  {move['set_at']:%Y-%m-%d %H:%M}")
    for key, value in shown.origin.items():
        say(f"{key}  {value}")
    say(f"\n{shown.text}")
    return 0


def _label(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        named = store.prompts.label(args.name, args.label, args.version)
    print_json(named.to_json()) if args.json else say(f"{args.label} is now {_line(named)}")
    return 0


def _delete(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        store.prompts.delete(args.name)
    say(f"deleted {args.name!r}; what spans say of its versions stays")
    return 0


def _line(prompt: Prompt) -> str:
    words = [prompt.name, f"version {prompt.version}", ", ".join(prompt.labels), prompt.description]
    if prompt.parent:
        words.append(f"from version {prompt.parent}")
    if prompt.variables:
        words.append(f"takes {', '.join(prompt.variables)}")
    return "  ".join(filter(None, words))


def _text(given: str) -> str:
    from leyden_store.prompts import PromptInvalid

    if given == "-":
        return sys.stdin.read()
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptInvalid(f"cannot read the prompt from {given[1:]}: {getattr(error, 'strerror', error)}") from error
