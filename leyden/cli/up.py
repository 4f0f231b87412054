"""`leyden up`: the collector."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from leyden.cli._shared import add_store

if TYPE_CHECKING:
    from leyden_collector.service import Endpoints


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("up", help="take traces and serve the store", description=__doc__)
    add_store(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--http-port", type=int, default=4318, metavar="PORT", help="default: 4318; 0 takes a free one")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--grpc-port", type=int, metavar="PORT", help="default: 4317 beside 4318, else a free one; 0 takes a free one"
    )
    group.add_argument("--no-grpc", action="store_true", help="take OTLP over HTTP alone")
    parser.add_argument(
        "--spool", type=Path, metavar="DIR", help="where requests wait for the store (default: beside it)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden_collector.service import Settings, serve

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # the store's own words say what its retries mean
    grpc_port = args.grpc_port if args.grpc_port is not None else 4317 if args.http_port == 4318 else 0
    settings = Settings(
        dsn=args.store,
        host=args.host,
        http_port=args.http_port,
        grpc_port=None if args.no_grpc else grpc_port,
        spool=args.spool,
    )
    serve(settings, _ready)
    return 0


def _ready(at: Endpoints) -> None:
    grpc = f" and {at.grpc} (OTLP/gRPC)" if at.grpc else ""
    print(
        f"Leyden takes traces at {at.http} (OTLP/HTTP){grpc}, ClickHouse queries at {at.http}/clickhouse, "
        f"API at {at.http}/docs",
        flush=True,
    )
    print("Record an agent:  leyden run -- python agent.py        Stop: Ctrl-C", flush=True)
