"""The collector as a process: opens the store, starts the parts, serves until told to stop, and stops cleanly."""

from __future__ import annotations

import gc
import logging
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from leyden_collector import metrics
from leyden_collector.access import Access
from leyden_collector.api.parts import Parts
from leyden_collector.app import create_app
from leyden_collector.audit import Auditor
from leyden_collector.bounded_http import BoundedHttp
from leyden_collector.exposition import Family
from leyden_collector.gateway import Gateway
from leyden_collector.intake import Intake
from leyden_collector.keeping import MetricsKeeper
from leyden_collector.lanes import Lanes
from leyden_collector.local_names import is_loopback
from leyden_collector.otlp_grpc import OtlpGrpc
from leyden_collector.processors import Pipeline
from leyden_collector.processors.config import make
from leyden_collector.processors.tail import Tail
from leyden_collector.self_trace import SelfTrace
from leyden_collector.settings import Settings
from leyden_collector.spool_folder import TASKS_FILE, spool_folder
from leyden_collector.tasks.queue import TaskQueue
from leyden_collector.tasks.waiting import Waiting
from leyden_collector.tls import read_tls
from leyden_store.audit import AuditLog
from leyden_store.errors import LeydenError, StoreLocked
from leyden_store.keys import Keys
from leyden_store.lightning import LightningStore
from leyden_store.listening import bound
from leyden_store.prices import CONFIGURED, read_prices

log = logging.getLogger(__name__)

_DRAIN_S = 15.0


class AddressInUse(LeydenError):
    """Something else listens at the address."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the collector listens: the URL of HTTP, of gRPC if it does, of the gateway if the store is embedded."""

    http: str
    grpc: str | None
    clickhouse: str | None


def serve(
    settings: Settings,
    on_ready: Callable[[Endpoints], None],
    extend: Callable[[FastAPI, LightningStore], AbstractContextManager[object]] | None = None,
) -> None:
    """Run until SIGINT or SIGTERM. `on_ready` is told where, once requests are taken.

    extend: may add routes; what it returns is entered while requests are taken

    On the way out it takes no more, and stores what is spooled; what cannot be stored waits for the next start.
    Raises the store's errors, and AddressInUse when the port is taken.
    """
    tls = read_tls(settings.tls_cert, settings.tls_key)
    scheme = "https" if tls else "http"
    with ExitStack() as stack:  # what is begun last ends first
        listener = stack.enter_context(_listen(settings.host, settings.http_port))
        store = stack.enter_context(LightningStore.open(settings.store))
        if held := store.connection.gateway:
            where = held.url.removesuffix("/clickhouse")
            raise StoreLocked(f"another collector (process {held.pid}) serves this store at {where}; send spans there")
        url = f"{scheme}://{_reachable(settings.host)}:{listener.getsockname()[1]}"
        folder = settings.spool.folder or spool_folder(settings.store)
        if settings.cost.prices is not None:
            store.prices.replace(CONFIGURED, read_prices(settings.cost.prices))
        processors = make(settings.processors)
        pipeline = Pipeline(processors) if processors else None
        token = settings.token.get_secret_value() if settings.token else secrets.token_urlsafe(32)
        access = Access(
            token,
            anonymous=is_loopback(settings.host) and not settings.require_keys,
            open_ingest=settings.open_ingest,
            keys=Keys(store.connection),
        )
        path, holder = store.connection.engine_path, store.connection.holder
        tasks = stack.enter_context(closing(TaskQueue(folder / TASKS_FILE)))
        waiting = Waiting(tasks)

        def families() -> Iterator[Family]:
            return metrics.families(intake, lanes, pipeline, tail, tasks)

        keeper = MetricsKeeper(store.connection, families, settings.metrics.every_s)
        stack.callback(keeper.stop)
        auditor = Auditor(AuditLog(store.connection), access)
        auditor.start()
        stack.callback(auditor.stop)
        gateway = Gateway(path, store.connection, access, auditor) if path is not None else None
        if gateway is not None:
            stack.callback(gateway.close)
        lanes = stack.enter_context(_running(Lanes(folder, settings.spool.limits(), store.connection), folder))
        tail = Tail(settings.tail, folder, lanes.traces, lanes.logs) if settings.tail else None
        if tail is not None:
            tail.start()
            stack.callback(tail.stop)
        intake = Intake((tail or lanes).traces, (tail or lanes).logs, pipeline)
        if settings.metrics.every_s:
            keeper.start()
        grpc = None if settings.grpc_at is None else OtlpGrpc(settings.host, settings.grpc_at, tls)
        if grpc is not None:
            stack.callback(grpc.stop)
        own = (
            SelfTrace(settings.self_trace.endpoint or url, "" if settings.self_trace.endpoint else token)
            if settings.self_trace.enabled
            else None
        )
        parts = Parts(store, access, auditor, tasks, waiting)
        app = create_app(parts, intake, lanes, gateway, families, settings.cors_origins)
        if extend is not None:
            stack.enter_context(extend(app, store))

        def ready() -> None:
            tasks.renew()  # starting took its time
            if holder is not None:
                holder.announce(f"{url}/clickhouse", token)
            if grpc is not None:
                grpc.start(intake, access)
            over_grpc = f"{scheme}://{_reachable(settings.host)}:{grpc.port}" if grpc else None
            on_ready(Endpoints(url, over_grpc, f"{url}/clickhouse" if gateway is not None else None))

        def stopping() -> None:
            if holder is not None:
                holder.withdraw()
            waiting.close()
            if own is not None:
                own.stop()

        _Server(
            uvicorn.Config(
                app if own is None else own.over(app),
                http=BoundedHttp, log_level="warning", access_log=False, timeout_graceful_shutdown=5,
                ssl_certfile=tls.cert if tls else None, ssl_keyfile=tls.key if tls else None,
            ),
            ready,
            stopping,
        ).run(sockets=[listener])  # fmt: skip


@contextmanager
def _running(lanes: Lanes, folder: Path) -> Iterator[Lanes]:
    """Lanes that store, and in the end have stored what they can in time."""
    lanes.start()
    try:
        yield lanes
    finally:
        if not lanes.stop(_DRAIN_S):
            log.warning("%d bytes stay in the spool %s; they are stored at the next start", lanes.bytes, folder)


class _Server(uvicorn.Server):
    """Says when it takes requests, and ends well on SIGINT and SIGTERM: uvicorn's own would die of them."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None], on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            # What was made so far stays: a request of JSON makes enough objects for it all to be looked through again.
            gc.collect()
            gc.freeze()
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await run_in_threadpool(self._on_stop)  # while requests are still taken: its last words may be to us
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _reachable(host: str) -> str:
    """The host part of a URL by which this machine reaches what listens at `host`."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not bound to
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    try:
        return bound(host, port)
    except OSError as error:
        raise AddressInUse(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another with --http-port"
        ) from error
