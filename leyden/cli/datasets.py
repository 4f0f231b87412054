"""`leyden datasets [ID]`: what was exported, from which query, with which hash; `--verify` compares files with it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from leyden.cli._shared import add_store, open_store, print_json
from leyden.terminal import say


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("datasets", help="list data sets", description=__doc__)
    add_store(parser)
    parser.add_argument("dataset_id", nargs="?", metavar="ID", help="or its hash, or a beginning of either")
    parser.add_argument("--verify", type=Path, metavar="FOLDER", help="see that a snapshot is what its manifest says")
    parser.add_argument(
        "--register", type=Path, metavar="FOLDER", help="enter a snapshot that another store or machine made"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.verify is not None:
        return _verify(args.verify, as_json=args.json)
    with open_store(args.store) as store:
        if args.register is not None:
            from leyden.registering import register

            one = register(store, args.register)
            print_json(one.to_json()) if args.json else say(
                f"entered {one.dataset_id}: {one.rows} rows, {one.spans} spans"
            )
            return 0
        found = [store.datasets.get(args.dataset_id)] if args.dataset_id else store.datasets.all()
    if args.dataset_id and not args.json:
        say(json.dumps(found[0].to_json(), ensure_ascii=False, indent=2))
        return 0
    for each in found:
        if args.json:
            print_json(each.to_json())
        else:
            source = f"query {each.query} v{each.query_version}" if each.query else " ".join(each.sql.split())
            say(
                f"{each.dataset_id}  {each.kind:<8}  {each.form}  {each.rows} rows  {each.spans} spans"
                f"  {each.sha256[:12]}  {each.path}  {source}"
            )
    return 0


def _verify(folder: Path, *, as_json: bool) -> int:
    from leyden_exporters.snapshots import verify

    manifest = verify(folder)
    if as_json:
        print_json(manifest)
    else:
        say(f"{folder} is as its manifest says: {manifest['rows']} rows, SHA-256 {manifest['sha256']}")
    return 0
