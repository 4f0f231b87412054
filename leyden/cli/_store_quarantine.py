"""`leyden store quarantine list|retry|drop`: requests that no store could read."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from leyden.cli._shared import add_store, print_json
from leyden.terminal import say

if TYPE_CHECKING:
    from leyden_collector.quarantine import Quarantine


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser("quarantine", help="requests set aside because no store could read them")
    commands = parser.add_subparsers(metavar="ACTION", required=True)
    listing = commands.add_parser("list", help="what is there, and why")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=_list)
    retry = commands.add_parser("retry", help="take them again, through the spool")
    retry.add_argument(
        "--collector", metavar="URL", help="the collector to give them to (default: the store's, if it runs)"
    )
    retry.set_defaults(run=_retry)
    drop = commands.add_parser("drop", help="delete them for good")
    drop.add_argument("--yes", action="store_true", help="do not ask")
    drop.set_defaults(run=_drop)
    for action in (retry, drop):
        action.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    for action in (listing, retry, drop):
        add_store(action)
        action.add_argument(
            "--spool", type=Path, metavar="DIR", help="the collector's spool (default: beside the store)"
        )
        action.add_argument(
            "--config", type=Path, metavar="FILE", help="the collector's config (default: $LEYDEN_CONFIG)"
        )


def _list(args: argparse.Namespace) -> int:
    for item in _quarantine(args).items():
        if args.json:
            said = {"name": item.name, "signal": item.signal, "bytes": item.bytes, "reason": item.reason}
            print_json({**said, "at": item.at.isoformat()})
        else:
            say(f"{item.name}  {item.signal:<6}  {item.bytes:>10,} bytes  {item.reason}")
    return 0


def _retry(args: argparse.Namespace) -> int:
    from leyden.posting import Collector
    from leyden_store.lightning import LightningStore

    quarantine = _quarantine(args)
    items = quarantine.chosen(args.names)
    if args.collector:
        collector = Collector(args.collector.rstrip("/"), os.environ.get("LEYDEN_TOKEN", ""))
        again = quarantine.retry(items, collector.take, collector.flush)
    else:
        with LightningStore.open(args.store) as store:
            if held := store.connection.gateway:
                collector = Collector.holding(held)
                again = quarantine.retry(items, collector.take, collector.flush)
            else:
                again = quarantine.retry_without_collector(items, store.connection)
    say(f"took {len(items) - again} of {len(items)} requests" + (f"; {again} came back to quarantine" if again else ""))
    return 1 if again else 0


def _drop(args: argparse.Namespace) -> int:
    quarantine = _quarantine(args)
    items = quarantine.chosen(args.names)
    if items and not args.yes:
        if not sys.stdin.isatty():
            print("leyden: dropping is for good; say --yes", file=sys.stderr)
            return 2
        if input(f"delete {len(items)} requests for good? [y/N] ").strip().lower() not in ("y", "yes"):
            return 1
    quarantine.drop(items)
    say(f"dropped {len(items)} requests")
    return 0


def _quarantine(args: argparse.Namespace) -> Quarantine:
    from leyden_collector.quarantine import Quarantine
    from leyden_collector.settings import Settings
    from leyden_collector.spool_folder import spool_folder

    given = {"store": args.store} if args.store else {}
    settings = Settings.load(args.config, given)
    return Quarantine(args.spool or settings.spool.folder or spool_folder(settings.store))
