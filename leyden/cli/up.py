"""`leyden up`: the collector."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leyden.cli._shared import add_store

if TYPE_CHECKING:
    from fastapi import FastAPI

    from leyden_collector.service import Endpoints
    from leyden_store.lightning import LightningStore


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("up", help="take traces and serve the store", description=__doc__)
    add_store(parser)
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="every setting, as TOML (default: $LEYDEN_CONFIG, else none)"
    )
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--http-port", type=int, metavar="PORT", help="default: 4318; 0 takes a free one")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--grpc-port", type=int, metavar="PORT", help="default: 4317 beside 4318, else a free one; 0 takes a free one"
    )
    group.add_argument("--no-grpc", action="store_true", help="take OTLP over HTTP alone")
    parser.add_argument(
        "--cors-origin",
        action="append",
        metavar="ORIGIN",
        help="a page's origin that may send spans; may be repeated (default: none)",
    )
    parser.add_argument(
        "--spool", type=Path, metavar="DIR", help="where requests wait for the store (default: beside it)"
    )
    parser.add_argument("--tokenizer", metavar="M", help="shows tokens as text in the trace page: a folder or hub name")
    parser.add_argument(
        "--self-trace",
        nargs="?",
        const="",
        metavar="URL",
        help="trace the collector itself, to itself or an OTLP/HTTP URL",
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="serve TLS with this certificate (PEM)")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="and its key")
    parser.add_argument("--require-keys", action="store_true", help="ask for API keys on a loopback address too")
    parser.add_argument("--open-ingest", action="store_true", help="take spans without a key beyond this machine too")
    parser.add_argument("--log-format", choices=["text", "json"], help="default: text")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden_collector.saying import set_up
    from leyden_collector.service import serve
    from leyden_collector.settings import Settings
    from leyden_store.owned import end_with_owner

    end_with_owner()
    given: dict[str, Any] = {
        "store": args.store,
        "host": args.host,
        "tls_cert": args.tls_cert,
        "tls_key": args.tls_key,
        "require_keys": args.require_keys or None,
        "open_ingest": args.open_ingest or None,
        "http_port": args.http_port,
        "grpc": False if args.no_grpc else None,
        "grpc_port": args.grpc_port,
        "cors_origins": args.cors_origin,
        "spool": {"folder": args.spool} if args.spool else None,
        "page": {"tokenizer": args.tokenizer} if args.tokenizer else None,
        "self_trace": None if args.self_trace is None else {"enabled": True, "endpoint": args.self_trace or None},
        "logging": {"format": args.log_format} if args.log_format else None,
    }
    settings = Settings.load(args.config, {name: value for name, value in given.items() if value is not None})
    set_up(settings.logging)

    def extend(app: FastAPI, store: LightningStore) -> AbstractContextManager[object]:
        from leyden.api_exports import add_exports
        from leyden.api_training import Trainings
        from leyden.api_training import router as training
        from leyden.page import PageExports, PageTraining, add_page
        from leyden.triggers.watch import Watch
        from leyden_dashboards.trace_page.work import Work

        watch = Watch(store, settings.store, settings.triggers.every_s) if settings.triggers.enabled else None
        exports = PageExports(add_exports(app, app.state.parts))
        beside: list[AbstractContextManager[object]] = [watch] if watch else []
        if settings.training.enabled:
            trainings = Trainings(app.state.parts, settings.training, settings.store)
            app.include_router(training(trainings))
            beside.append(trainings)
        trained = PageTraining(trainings) if settings.training.enabled else None
        add_page(app, store, settings.page.tokenizer, Work(exports, trained, watch.fire if watch else None))
        return _together(beside)

    serve(settings, _ready, extend)
    return 0


@contextmanager
def _together(parts: Sequence[AbstractContextManager[object]]) -> Iterator[None]:
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(part)
        yield


def _ready(at: Endpoints) -> None:
    grpc = f" and {at.grpc} (OTLP/gRPC)" if at.grpc else ""
    queries = f"ClickHouse queries at {at.clickhouse}, " if at.clickhouse else ""
    print(
        f"Leyden takes traces at {at.http} (OTLP/HTTP){grpc}; look at them there in a browser; "
        f"{queries}API at {at.http}/docs",
        flush=True,
    )
    print("Record an agent:  leyden run -- python agent.py        Stop: Ctrl-C", flush=True)
