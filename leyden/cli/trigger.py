"""`leyden trigger add|list|show|history|pause|resume|delete|tick|run`: train when a saved query has enough that is new.

A running collector looks at the triggers by itself; `leyden trigger tick` does it from cron.
"""

from __future__ import annotations

import argparse
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from leyden.cli._shared import add_store, open_store, print_json
from leyden.terminal import say

if TYPE_CHECKING:
    from leyden_store.triggers import Firing, Trigger

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("trigger", help="train by itself, from saved queries", description=__doc__)
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _add_add(actions)
    for action, words, run in (
        ("list", "every trigger", _list),
        ("show", "one trigger, what its condition is judged by now, and what came of it last", _show),
        ("history", "what came of a trigger, or of all", _history),
        ("pause", "look at a trigger no more, until it is resumed", _pause),
        ("resume", "look at a trigger again", _resume),
        ("delete", "take a trigger out of use; its history stays", _delete),
        ("tick", "look at every trigger once, or at one; train where it is time", _tick),
        ("run", "train now, whatever the condition says", _tick),
    ):
        one = actions.add_parser(action, help=words)
        add_store(one)
        if action != "list":
            one.add_argument("name", metavar="NAME", nargs="?" if action in ("history", "tick") else None)
        if action not in ("pause", "resume", "delete"):
            one.add_argument("--json", action="store_true", help="one JSON object a line")
        one.set_defaults(run=run, force=action == "run")


def _add_add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from leyden_store.trigger_facts import FACTS

    facts = "; ".join(f"{name}: {words}" for name, words in FACTS.items())
    parser = actions.add_parser("add", help="add a trigger, or change one", epilog=f"Facts for --when. {facts}.")
    add_store(parser)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--query", required=True, metavar="NAME", help="the saved query whose rollouts are trained on")
    parser.add_argument("--trainer", required=True, metavar="T")
    parser.add_argument("--model", required=True, metavar="M", help="the model to start from")
    parser.add_argument("--out", required=True, metavar="DIR", help="checkpoints go into folders in it")
    parser.add_argument("--when", required=True, metavar="CONDITION", help="for example 'new_rollouts >= 500'")
    parser.add_argument(
        "--every", type=seconds, default=60.0, metavar="TIME", help="train at most so often: 90s, 30m, 1h, 1d (60s)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for `leyden train`")
    parser.add_argument("--onward", action="store_true", help="start from the checkpoint promoted last")
    parser.add_argument("--reward", default="reward", metavar="NAME", help="the reward the facts speak of")
    parser.add_argument("--max-runs-per-day", type=int, default=0, metavar="N", help="a budget (default: none)")
    parser.add_argument("--max-tokens-per-day", type=int, default=0, metavar="N", help="another, of its runs' rows")
    parser.add_argument("--max-minutes", type=float, default=0.0, metavar="X", help="longest run (default: no limit)")
    parser.add_argument(
        "--guard",
        default="",
        metavar="CMD",
        help="promote only if this ends well; it finds LEYDEN_CHECKPOINT, LEYDEN_PREVIOUS and LEYDEN_RUN_ID set",
    )
    parser.add_argument(
        "--promote", action="append", default=[], metavar="URL", help="policy server that then loads it"
    )
    parser.add_argument("--webhook", default="", metavar="URL", help="where the outcome is posted")
    parser.add_argument(
        "--train",
        default="",
        metavar="WORDS",
        help="further options of `leyden train`, as in --train='--advantage rloo'",
    )
    parser.set_defaults(run=_add, misused=parser.error)


def seconds(text: str) -> float:
    """`90s`, `30m`, `1.5h`, `1d` or plain seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 90s, 30m, 1h or 1d")
    return float(found[1]) * _SECONDS[found[2] or "s"]


def _add(args: argparse.Namespace) -> int:
    from leyden.cli import train
    from leyden.triggers.condition import check
    from leyden_store.triggers import Trigger
    from leyden_trainers.plugin import find_trainer
    from leyden_trainers.settings import config_from_sets

    check(args.when)
    words = [word for setting in args.set for word in ("--set", setting)] + shlex.split(args.train)
    later = argparse.ArgumentParser(prog="leyden train", usage="see leyden train --help")
    train.add_options(later)
    ours = ["--query", args.query, "--trainer", args.trainer, "--model", args.model, "--out", args.out]
    config_from_sets(find_trainer(args.trainer), later.parse_args([*ours, *words]).set)
    trigger = Trigger(
        name=args.name,
        query=args.query,
        trainer=args.trainer,
        model=args.model,
        out=args.out,
        when=args.when,
        every_s=args.every,
        train=tuple(words),
        onward=args.onward,
        max_runs_per_day=args.max_runs_per_day,
        max_tokens_per_day=args.max_tokens_per_day,
        max_minutes=args.max_minutes,
        guard=tuple(shlex.split(args.guard)),
        promote=tuple(args.promote),
        webhook=args.webhook,
        reward=args.reward,
    )
    with open_store(args.store) as store:
        store.queries.get(args.query)
        store.triggers.save(trigger)
    say(f"added {trigger.name!r}: {trigger.trainer} on {trigger.query!r} when {trigger.when}")
    return 0


def _list(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        found = store.triggers.all()
    for trigger in found:
        print_json(trigger.to_json()) if args.json else say(_line(trigger))
    return 0


def _show(args: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    with open_store(args.store) as store:
        trigger = store.triggers.get(args.name)
        state = store.triggers.state(trigger, store.select(query=trigger.query), datetime.now(UTC))
        history = store.triggers.firings(trigger.name)
    if args.json:
        last = history[0].to_json() if history else None
        print_json({**trigger.to_json(), "facts": dict(state.facts), "last": last})
        return 0
    say(_line(trigger))
    for name, value in state.facts.items():
        say(f"  {name}  {value:g}")
    for firing in history[:5]:
        say(f"  {_told(firing)}")
    return 0


def _history(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        if args.name:
            store.triggers.get(args.name)
        found = store.triggers.firings(args.name)
    for firing in found:
        print_json(firing.to_json()) if args.json else say(_told(firing))
    return 0


def _pause(args: argparse.Namespace) -> int:
    return _set_paused(args, True)


def _resume(args: argparse.Namespace) -> int:
    return _set_paused(args, False)


def _set_paused(args: argparse.Namespace, paused: bool) -> int:
    with open_store(args.store) as store:
        store.triggers.save(replace(store.triggers.get(args.name), paused=paused))
    say(f"{'paused' if paused else 'resumed'} {args.name!r}")
    return 0


def _delete(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        store.triggers.delete(args.name)
    say(f"deleted {args.name!r}; its history stays")
    return 0


def _tick(args: argparse.Namespace) -> int:
    from leyden.triggers.tick import tick
    from leyden_store.triggers import FiringStatus

    failed = False
    for looked in tick(lambda: open_store(args.store), args.store, only=args.name, force=args.force):
        firing = looked.firing
        failed |= firing is not None and firing.status is not FiringStatus.SUCCEEDED
        if args.json:
            print_json({"trigger": looked.trigger, "said": looked.why, "firing": firing.to_json() if firing else None})
        else:
            say(f"{looked.trigger}  {looked.why}" + (f"  {firing.checkpoint}" if firing else ""))
    return int(failed)


def _line(trigger: Trigger) -> str:
    often = f"every {trigger.every_s:g} s" + ("  paused" if trigger.paused else "")
    return f"{trigger.name}  {trigger.trainer} on {trigger.query}  when {trigger.when}  {often}"


def _told(firing: Firing) -> str:
    result = " ".join(filter(None, [firing.checkpoint, "promoted" if firing.promoted else "", firing.note]))
    return f"{firing.started_at:%Y-%m-%d %H:%M:%S}  {firing.trigger}  {firing.status:<9}  {firing.run_id}  {result}"
