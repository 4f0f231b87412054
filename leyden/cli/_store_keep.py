"""`leyden store retain|backup|restore|index`: how long spans are kept, copies of the store, and the text index."""

from __future__ import annotations

import argparse
from pathlib import Path

from leyden.cli._shared import add_store, open_store, print_json
from leyden.terminal import say


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    retain = actions.add_parser("retain", help="keep a project's spans for so many days")
    retain.add_argument("--project", metavar="P")
    retain.add_argument("--days", type=int, metavar="N", help="0 keeps them for ever")
    retain.add_argument("--list", action="store_true", help="only say the rules")
    retain.set_defaults(run=_retain, misused=retain.error)
    backup = actions.add_parser("backup", help="copy the store into a new folder")
    backup.add_argument("path", type=Path, metavar="PATH")
    backup.set_defaults(run=_backup)
    restore = actions.add_parser("restore", help="fill a new store from a backup, embedded or server")
    restore.add_argument("path", type=Path, metavar="PATH")
    restore.set_defaults(run=_restore)
    index = actions.add_parser("index", help="the index that `leyden search` uses; without one it reads every message")
    index.add_argument("--text", choices=["on", "off"], required=True)
    index.set_defaults(run=_index)
    for action in (retain, backup, restore, index):
        add_store(action)
    for action in (retain, backup, restore):
        action.add_argument("--json", action="store_true", help="one JSON object")


def _retain(args: argparse.Namespace) -> int:
    from leyden_store.retention import retain, rules

    if not args.list and (args.project is None or args.days is None or args.days < 0):
        args.misused("say --project P --days N (0: for ever), or --list")
    with open_store(args.store) as store:
        made = rules(store.connection) if args.list else retain(store.connection, args.project, args.days)
    if args.json:
        print_json({rule.project: rule.days for rule in made})
        return 0
    for rule in made:
        say(f"{rule.project}: {rule.days} days")
    if not made:
        say("every project is kept for ever")
    return 0


def _backup(args: argparse.Namespace) -> int:
    from leyden_store.backup import backup

    with open_store(args.store) as store:
        made = backup(store.connection, args.path)
    if args.json:
        print_json({"path": str(made.path), "rows": made.rows, "bytes": made.bytes})
    else:
        say(f"copied {sum(made.rows.values()):,} rows of {len(made.rows)} tables to {made.path}: {made.bytes:,} bytes")
    return 0


def _restore(args: argparse.Namespace) -> int:
    from leyden_store.backup import restore

    with open_store(args.store) as store:
        made = restore(store.connection, args.path)
    if args.json:
        print_json({"path": str(made.path), "rows": made.rows, "bytes": made.bytes})
    else:
        say(f"restored {sum(made.rows.values()):,} rows of {len(made.rows)} tables from {made.path}")
    return 0


def _index(args: argparse.Namespace) -> int:
    from leyden_store.searching import index_bytes, index_off, index_on

    with open_store(args.store) as store:
        if args.text == "off":
            index_off(store.connection)
            say("the text index is off; leyden search reads every message")
        else:
            index_on(store.connection)
            say(f"the text index is on: {index_bytes(store.connection):,} bytes")
    return 0
