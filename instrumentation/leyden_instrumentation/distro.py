"""The OpenTelemetry distro: defaults for a recorded agent, and one instrumentation for each library it is built of.

Selected by `OTEL_PYTHON_DISTRO=leyden`. A variable that the user has set is never overridden, but for
`LEYDEN_CAPTURE_CONTENT=false`, which wins: privacy must not hang on three libraries' variables.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
from collections.abc import Callable, MutableMapping
from importlib import metadata
from typing import Any

import wrapt
from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]
from opentelemetry.metrics import NoOpMeterProvider

from leyden_instrumentation import settings
from leyden_instrumentation.libraries import (
    LIBRARIES,
    NATIVE,
    OPENAI,
    Library,
    choose,
    conflict_of,
    is_installed,
    library_of,
    normal_name,
)

_log = logging.getLogger(__name__)

_DEFAULTS = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    # A dialect that flattens messages needs some 20 attributes a message; the stock 128 evict the oldest messages.
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "4096",
    # Spans with long histories are heavy: 512 of them (the default) can exceed what a request may hold.
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "64",
    "OTEL_BSP_MAX_QUEUE_SIZE": "10000",
    "OTEL_BSP_SCHEDULE_DELAY": "1000",
    # AutoGen's runtime makes some ten spans of its own for every message between agents.
    "AUTOGEN_DISABLE_RUNTIME_TRACING": "true",
}

_CONTENT_ON = {
    "TRACELOOP_TRACE_CONTENT": "true",
    settings.GENAI_CONTENT: "SPAN_ONLY",
}
_CONTENT_OFF = {
    "TRACELOOP_TRACE_CONTENT": "false",
    settings.GENAI_CONTENT: "NO_CONTENT",
    "OPENINFERENCE_HIDE_INPUTS": "true",
    "OPENINFERENCE_HIDE_OUTPUTS": "true",
}


class LeydenDistro(BaseDistro):  # type: ignore[misc,unused-ignore]
    """Entry point `opentelemetry_distro`: leyden."""

    def _configure(self, **kwargs: Any) -> None:  # noqa: ARG002 (the base class's signature)
        set_defaults()
        # Traceloop's hands openai's marker for "not given" to the SDK, which then complains at every call.
        logging.getLogger("opentelemetry.attributes").addFilter(lambda record: "openai.Omit" not in record.getMessage())

        _speak_of_conflicts()

    def load_instrumentor(self, entry_point: metadata.EntryPoint, **kwargs: Any) -> None:
        """As stock, but one instrumentation for each library we know, and that when the program imports it."""
        library = None if entry_point.dist is None else library_of(entry_point.dist.name)
        if library is None or entry_point.dist is None:
            super().load_instrumentor(entry_point, **kwargs)  # type: ignore[no-untyped-call,unused-ignore]
        elif normal_name(entry_point.dist.name) == _chosen(library):
            if os.environ.get("OTEL_METRICS_EXPORTER") == "none":
                # The SDK's instruments add up what nobody reads, with every chunk of a stream.
                kwargs = {"meter_provider": NoOpMeterProvider(), **kwargs}
            wrapt.register_post_import_hook(lambda _: self._instrument(library, entry_point, kwargs), library.module)

    def _instrument(self, library: Library, entry_point: metadata.EntryPoint, kwargs: dict[str, Any]) -> None:
        try:
            super().load_instrumentor(entry_point, **kwargs)  # type: ignore[no-untyped-call,unused-ignore]
            if _chosen(library) == OPENAI.choices["genai"]:
                importlib.import_module("leyden_instrumentation.openai_genai").complete()
        except Exception as error:
            _log.warning("leyden: calls of %s are not recorded: %s failed: %s", library.name, entry_point.value, error)


def set_defaults(env: MutableMapping[str, str] | None = None) -> None:
    """Write our defaults into `env`, this process's environment if not given, where the user has said nothing."""
    env = os.environ if env is None else env
    limited = "OTEL_ATTRIBUTE_COUNT_LIMIT" in env
    for name, value in _DEFAULTS.items():
        if not (limited and name == "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"):
            env.setdefault(name, value)
    for library in LIBRARIES:
        chosen = choose(library, env) if library.alone and is_installed(library.distribution) else None
        if chosen is not None and chosen.distribution is not None and not chosen.native:
            for name, value in library.alone.items():
                env.setdefault(name, value)
    # gRPC has another port and its own default for it.
    if not env["OTEL_EXPORTER_OTLP_PROTOCOL"].startswith("grpc"):
        env.setdefault("OTEL_EXPORTER_OTLP_ENDPOINT", settings.DEFAULT_ENDPOINT)
    if settings.enabled(settings.CAPTURE_CONTENT, env):
        for name, value in _CONTENT_ON.items():
            env.setdefault(name, value)
    else:
        env.update(_CONTENT_OFF)


def _speak_of_conflicts() -> None:
    """Say that a library is not recorded when the program imports it, and not of instrumentations nobody misses."""
    loader = logging.getLogger("opentelemetry.instrumentation.auto_instrumentation._load")
    # Stock tells every program of every instrumentation that does not suit what is installed.
    loader.addFilter(lambda record: record.getMessage().partition(" ")[0] not in _known_entries())
    for library in LIBRARIES:
        distribution = choose(library, os.environ).distribution if is_installed(library.distribution) else None
        conflict = conflict_of(distribution) if distribution and distribution != library.choices.get(NATIVE) else None
        if conflict is not None:
            wrapt.register_post_import_hook(_warning(library, f"{distribution}: {conflict}"), library.module)


@functools.cache
def _known_entries() -> frozenset[str]:
    """The entry points of instrumentations that we choose among."""
    entries = metadata.entry_points(group="opentelemetry_instrumentor")
    return frozenset(e.name for e in entries if e.dist is not None and library_of(e.dist.name) is not None)


def _warning(library: Library, why: str) -> Callable[[Any], None]:
    return lambda _: _log.warning("leyden: calls of %s are not recorded: %s", library.name, why)


def _chosen(library: Library) -> str | None:
    """The distribution to instrument a library with in this process. What was asked for in vain is said once."""
    choice = choose(library, os.environ)
    if choice.in_vain and choice.why not in _warned:
        _warned.add(choice.why)
        _log.warning("leyden: %s", choice.why)
    return choice.distribution


_warned: set[str] = set()
