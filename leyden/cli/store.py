"""`leyden store migrate|stats|compact|erase|policy|quarantine`: look after the store."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from leyden.cli import _store_erase, _store_keep, _store_policy, _store_quarantine
from leyden.cli._shared import add_store, open_store, print_json
from leyden.terminal import say


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("store", help="look after the store", description=__doc__)
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    migrate = actions.add_parser("migrate", help="bring the schema to this version (opening a store does it too)")
    migrate.set_defaults(run=_migrate)
    stats = actions.add_parser("stats", help="what it holds and how large it is")
    stats.add_argument("--json", action="store_true", help="one JSON object")
    stats.set_defaults(run=_stats)
    compact = actions.add_parser("compact", help="merge parts now: folds retried spans away, frees disk")
    compact.set_defaults(run=_compact)
    for action in (migrate, stats, compact):
        add_store(action)
    _store_erase.add(actions)
    _store_keep.add(actions)
    _store_policy.add(actions)
    _store_quarantine.add(actions)


def _migrate(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        say(f"the schema is at {store.schema()}")
    return 0


def _stats(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        stats, projects, tables = store.stats(), store.stats_by("projects"), store.stats_by("tables")
    if args.json:
        print_json({**stats, "projects": projects, "tables": tables})
        return 0
    width = max(len(name) for name in stats)
    for name, value in stats.items():
        say(f"{name.replace('_', ' '):<{width}}  {value:>14,}")
    for of in projects:
        days = " to ".join(f"{datetime.fromtimestamp(of[at] / 1e9, UTC):%Y-%m-%d}" for at in ("oldest_ns", "newest_ns"))
        say(f"project {of['project']}: {of['spans']:,} spans in {of['traces']:,} traces, {days}")
    for of in tables:
        ratio = of["uncompressed_bytes"] / max(1, of["bytes_on_disk"])
        say(
            f"table {of['name']}: {of['rows']:,} rows, {of['bytes_on_disk']:,} bytes, {of['parts']} parts, {ratio:.1f}×"
        )
    return 0


def _compact(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        before = store.stats()["bytes_on_disk"]
        store.compact()
        say(f"compacted: {before:,} → {store.stats()['bytes_on_disk']:,} bytes")
    return 0
