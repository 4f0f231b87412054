"""`leyden ingest PATH…`: import OTLP files (.pb, OTLP/JSON as .json or .jsonl; log events likewise, as .logs.pb …)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from leyden.cli._shared import add_store, open_store
from leyden.terminal import say


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("ingest", help="import OTLP files, and what other tools export", description=__doc__)
    add_store(parser)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files, or folders of them")
    parser.add_argument(
        "--from",
        dest="source",
        choices=["langfuse", "phoenix", "mlflow", "openai"],
        help="whose export the files are (default: found out): Langfuse JSONL, Phoenix Parquet, MLflow JSON, "
        "OpenAI chat JSONL",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a collector's config file, for its processors (default: $LEYDEN_CONFIG)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden.importing import Source
    from leyden.ingesting import ingest
    from leyden_collector.processors import Pipeline
    from leyden_collector.processors.config import make
    from leyden_collector.settings import Settings

    source = Source(args.source) if args.source else None
    processors = make(Settings.load(args.config).processors)
    with open_store(args.store) as store:
        done = ingest(store, args.paths, Pipeline(processors) if processors else None, source)
    for failure in done.failures:
        print(f"leyden: {failure}", file=sys.stderr)
    records = f" and {done.log_records} log records" if done.log_records else ""
    say(f"stored {done.spans} spans{records} from {done.files} files")
    return 1 if done.failures else 0
