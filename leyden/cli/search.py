"""`leyden search TEXT`: spans whose messages hold every word."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime

from leyden.cli._shared import add_limit, add_store, open_store, print_json
from leyden.terminal import say

_SLOW_S = 3.0
"""Who waits longer is told of the text index."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("search", help="find words in messages", description=__doc__)
    add_store(parser)
    parser.add_argument("text", metavar="TEXT", help="words, in any order and case")
    parser.add_argument("--substring", action="store_true", help="find TEXT as it stands, within words too")
    parser.add_argument("--project", default="", metavar="P")
    add_limit(parser, 20)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden_store.searching import has_index

    with open_store(args.store) as store:
        began = time.monotonic()
        found = store.search(args.text, substring=args.substring, project=args.project, limit=args.limit).rows
        slow = not args.substring and time.monotonic() - began > _SLOW_S
        if slow and not has_index(store.connection):
            print("leyden: every message was read; to search an index: leyden store index --text on", file=sys.stderr)
    for row in found:
        if args.json:
            print_json(row)
        else:
            when = datetime.fromtimestamp(row["start_ns"] / 1e9, UTC)
            say(f"{row['trace_id']} {row['span_id']} {when:%Y-%m-%d %H:%M}")
            say(f"    {row['snippet']}")
    if not found and not args.json:
        say(f"no message holds {args.text!r}")
    return 0
