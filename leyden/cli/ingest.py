"""`leyden ingest PATH…`: import OTLP files (.pb, OTLP/JSON as .json or .jsonl)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from leyden.cli._shared import add_store, open_store


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("ingest", help="import OTLP files", description=__doc__)
    add_store(parser)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files, or folders of them")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden.ingesting import ingest

    with open_store(args.store) as store:
        done = ingest(store, args.paths)
    for failure in done.failures:
        print(f"leyden: {failure}", file=sys.stderr)
    print(f"stored {done.spans} spans from {done.files} files")
    return 1 if done.failures else 0
