"""Getting spans out: OpenTelemetry's batches, but a collector that is away costs one warning and a few seconds.

The stock processor may hold a dying process for half a minute and logs every failed batch. Here a thread of ours does
what may block, and the process waits for it only while spans are in fact arriving.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from leyden_instrumentation.folding import folds

PATIENCE = 3.0
"""Seconds the process waits at its end without a batch arriving."""
LIMIT = 30.0
"""Seconds it waits in all, however well it goes: the grace that orchestrators commonly give."""

_log = logging.getLogger("leyden_instrumentation")

_TALKATIVE = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.sdk._shared_internal",
)
"""Loggers that speak once per failed attempt; the first error becomes part of our one line."""


class ReportedExporter(SpanExporter):
    """Hands spans to the real exporter and says once, in one line, when they do not arrive."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._warned = False
        self._reason = ""
        self._stopped = False
        self.last_success = 0.0
        self.failing = False
        for name in _TALKATIVE:
            logging.getLogger(name).addFilter(self._hush)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._stopped:
            return SpanExportResult.FAILURE
        try:
            result = self._inner.export(spans)
        except Exception as error:
            self._reason = self._reason or f"{type(error).__name__}: {error}"
            result = SpanExportResult.FAILURE
        self.failing = result is not SpanExportResult.SUCCESS
        if self.failing:
            self.complain()
        else:
            self.last_success = time.monotonic()
        return result

    def complain(self) -> None:
        """The one warning of this process."""
        if self._warned:
            return
        self._warned = True
        where = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        reason = f" ({' '.join(self._reason.split())[:200]})" if self._reason else ""
        _log.warning(
            "leyden: spans do not reach %s; the program goes on, unrecorded. Is the collector up (`leyden up`)?%s",
            where,
            reason,
        )

    def stop(self) -> None:
        """Give up: a retry in flight is called off and nothing more is sent."""
        self._stopped = True
        self._inner.shutdown()

    def shutdown(self) -> None:
        if not self._stopped:
            self.stop()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._inner.force_flush(timeout_millis)

    def _hush(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        # A retry tells at length of a closed port; an error is the collector's answer, or the end of retrying.
        if record.levelno >= logging.ERROR:
            self._reason = self._reason or record.getMessage()
        return False


class DeliveryProcessor(SpanProcessor):
    """A batch span processor whose flush and shutdown end in bounded time, from signal handlers and forks too."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = ReportedExporter(exporter)
        self._batch = BatchSpanProcessor(self._exporter)
        self._closed = False
        self._start_worker()
        os.register_at_fork(after_in_child=self._start_worker)

    def on_end(self, span: ReadableSpan) -> None:
        if not self._closed and not folds.is_folded(span):
            self._batch.on_end(span)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self.run(self._batch.force_flush, timeout_millis / 1000)

    def soon(self) -> None:
        """Send what is queued now, on our thread, instead of when the next batch is due. Waits for nothing."""
        if not self._closed:
            self._work.put((self._batch.force_flush, threading.Event()))

    def shutdown(self) -> None:
        self.close()

    def close(self, last_words: Callable[[], None] | None = None, limit: float = LIMIT) -> None:
        """Run `last_words` (the end of the root span), send what is queued and stop. A second call does nothing."""
        if self._closed:
            return

        def finish() -> None:
            if last_words is not None:
                last_words()
            self._closed = True
            self._batch.shutdown()  # type: ignore[no-untyped-call]

        self.run(finish, limit)

    def run(self, work: Callable[[], object], limit: float) -> bool:
        """Do `work` on our thread. False if spans stopped arriving for PATIENCE seconds, or `limit` is over."""
        done = threading.Event()
        # SimpleQueue.put is reentrant: this may run in a signal handler that interrupted itself.
        self._work.put((work, done))
        start = time.monotonic()
        while not done.wait(0.02):
            now = time.monotonic()
            patience = 0.5 if self._exporter.failing else PATIENCE
            if now - max(start, self._exporter.last_success) > patience or now - start > limit:
                self._closed = True
                self._exporter.stop()
                self._exporter.complain()
                return False
        return True

    def _start_worker(self) -> None:
        # Made before it is needed: since Python 3.12 no thread starts once the interpreter shuts down.
        self._work: queue.SimpleQueue[tuple[Callable[[], object], threading.Event]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, args=(self._work,), name="leyden-delivery", daemon=True).start()

    @staticmethod
    def _serve(work: queue.SimpleQueue[tuple[Callable[[], object], threading.Event]]) -> None:
        while True:
            task, done = work.get()
            try:
                task()
            except Exception as error:
                _log.debug("leyden: %s while sending the last spans", error)
            finally:
                done.set()
