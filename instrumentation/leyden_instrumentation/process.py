"""The process as one unit of work: its root span, and an orderly end for its spans however it dies."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

import wrapt
from opentelemetry import context, propagate, trace
from opentelemetry.trace import INVALID_SPAN, Span, StatusCode

from leyden_instrumentation import identity, program, settings
from leyden_instrumentation.delivery import LIMIT, DeliveryProcessor

_SIGTERM_LIMIT = 5.0
"""Seconds a terminated process may take; container runtimes kill after ten."""


class Process:
    """This process's root span and its end. `current` is None until `start` has run."""

    current: Process | None = None

    def __init__(self, deliveries: Sequence[DeliveryProcessor]) -> None:
        self._deliveries = deliveries
        self._pid = os.getpid()
        self._root: Span = INVALID_SPAN
        self._inherited = {k: v for k in ("TRACEPARENT", "TRACESTATE", "BAGGAGE") if (v := os.environ.get(k))}

    @classmethod
    def start(cls, deliveries: Sequence[DeliveryProcessor]) -> Process:
        """Open the root span (unless LEYDEN_ROOT_SPAN=false) in the caller's trace, if the environment names one."""
        process = cls.current = cls(deliveries)
        inherited = propagate.extract({k.lower(): v for k, v in process._inherited.items()})
        # What is called over HTTP from here joins the rollout by its baggage.
        context.attach(identity.in_baggage(identity.from_environment(), inherited))
        if settings.enabled(settings.ROOT_SPAN):
            process._open_root()
        atexit.register(process._at_exit)
        process._catch_sigterm()
        wrapt.register_post_import_hook(process._flush_in_workers, "multiprocessing.util")
        return process

    def forget_root(self) -> None:
        """Drop the root span: it is never exported, and what starts from here on is no part of it."""
        self._root = INVALID_SPAN
        os.environ.pop("TRACEPARENT", None)
        os.environ.update(self._inherited)
        context.attach(trace.set_span_in_context(INVALID_SPAN))

    def deliver(self) -> None:
        """Send what has ended now: somebody waits for it. Returns at once."""
        for delivery in self._deliveries:
            delivery.soon()

    def _open_root(self) -> None:
        name = program.name()
        self._root = trace.get_tracer("leyden").start_span(
            f"invoke_workflow {name}",
            attributes={"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": name},
        )
        context.attach(trace.set_span_in_context(self._root))
        # Programs this one starts join its trace.
        ids = self._root.get_span_context()
        if ids.is_valid:
            os.environ["TRACEPARENT"] = f"00-{ids.trace_id:032x}-{ids.span_id:016x}-{ids.trace_flags:02x}"

    def _end_root(self, failure: str | None, error: BaseException | None = None) -> None:
        # A forked child holds a copy of the root; only the process that opened it may end it.
        if os.getpid() != self._pid or not self._root.is_recording():
            return
        if error is not None:
            self._root.record_exception(error)
        if failure is not None:
            self._root.set_status(StatusCode.ERROR, failure)
        self._root.end()

    def _close(self, failure: str | None, error: BaseException | None, limit: float) -> None:
        if not self._deliveries:
            self._end_root(failure, error)
        for delivery in self._deliveries:
            delivery.close(lambda: self._end_root(failure, error), limit)

    def _at_exit(self) -> None:
        # Set by the interpreter when an exception ends the program, whatever sys.excepthook the program put in.
        error = getattr(sys, "last_value", None)
        failure = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else None
        self._close(failure, error if failure else None, LIMIT)

    def _catch_sigterm(self) -> None:
        """End in order on SIGTERM, then die of it; a handler that the program sets replaces this one."""
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, number: int, _: FrameType | None) -> None:
        self._close("terminated by SIGTERM", None, _SIGTERM_LIMIT)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _flush_in_workers(self, util: Any) -> None:
        """Workers of multiprocessing leave by os._exit, without atexit: flush among their own finalizers."""

        def in_child(process: Process) -> None:
            util.Finalize(None, process._flush, exitpriority=1)

        util.register_after_fork(self, in_child)

    def _flush(self) -> None:
        for delivery in self._deliveries:
            delivery.force_flush()
