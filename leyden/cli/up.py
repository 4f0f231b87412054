"""`leyden up`: the collector."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from leyden.cli._shared import add_store


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("up", help="take traces and serve the store", description=__doc__)
    add_store(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--http-port", type=int, default=4318, metavar="PORT", help="default: 4318; 0 takes a free one")
    parser.add_argument(
        "--spool", type=Path, metavar="DIR", help="where requests wait for the store (default: beside it)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden_collector.service import Settings, serve

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # the store's own words say what its retries mean
    serve(Settings(dsn=args.store, host=args.host, http_port=args.http_port, spool=args.spool), _ready)
    return 0


def _ready(url: str) -> None:
    print(
        f"Leyden takes traces at {url} (OTLP/HTTP), ClickHouse queries at {url}/clickhouse, API at {url}/docs",
        flush=True,
    )
    print("Record an agent:  leyden run -- python agent.py        Stop: Ctrl-C", flush=True)
