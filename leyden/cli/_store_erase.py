"""`leyden store erase`: remove what belongs to a session, rollout, user or trace, everywhere, for good."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from leyden.cli._shared import add_store, open_store, print_json
from leyden.terminal import say

_KINDS = ("session", "rollout", "user", "trace")


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser(
        "erase", help="remove a session, rollout, user or trace from everything, for good", description=__doc__
    )
    add_store(parser)
    group = parser.add_mutually_exclusive_group(required=True)
    for kind in _KINDS:
        group.add_argument(f"--{kind}", metavar="ID")
    group.add_argument("--where", metavar="SQL", help="traces with a span for which this holds")
    parser.add_argument("--spool", type=Path, metavar="DIR", help="the collector's spool (default: the store's own)")
    parser.add_argument("--yes", action="store_true", help="do it; without, it only says what would be erased")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden.erasing import Scrubbed, scrub
    from leyden.posting import Collector
    from leyden_collector.spool_folder import TASKS_FILE
    from leyden_collector.tasks.erasing import erase as erase_tasks
    from leyden_store import dsn
    from leyden_store.erasure import Erased, Kind, erase, find

    kinds: tuple[Kind, ...] = ("session", "rollout", "user", "trace", "where")
    kind, name = next((k, getattr(args, k)) for k in kinds if getattr(args, k) is not None)
    with open_store(args.store) as store:
        connection = store.connection
        target = find(connection, kind, name)
        if not args.yes:
            _say(args, {**Erased(target).to_json(), "erased": False})
            return 0
        held = connection.gateway
        erased = erase(connection, target, flush=Collector.holding(held).flush if held else lambda: None)
        folder = args.spool or (
            connection.target.path / "spool" if isinstance(connection.target, dsn.Embedded) else None
        )
        waiting = scrub(folder, target, segments=held is None) if folder else Scrubbed()
        rollouts = {*target.rollouts, *([name] if kind == "rollout" else [])}
        tasks = erase_tasks(folder / TASKS_FILE, rollouts) if folder else 0
        files = {"spooled_spans": waiting.spans, "spool_files": waiting.files, "tasks": tasks}
        _say(args, {**erased.to_json(), **files, "erased": True})
    return 0


def _say(args: argparse.Namespace, made: dict[str, Any]) -> None:
    if args.json:
        print_json(made)
        return
    done = made["erased"]
    say(f"{'erased' if done else 'would erase'} {made['spans']} spans of {made['traces']} traces")
    for table, n in made["rows"].items():
        say(f"  {table}: {n} rows")
    for use in made["used_by"]:
        say(f"  {use['kind']} {use['id']} was made of {use['spans']} of them: {use['path'] or 'no file'}")
    for table, n in made["mentions"].items():
        say(f"  {n} rows of {table} name it in their text")
    if not done:
        say("nothing is erased yet; add --yes")
