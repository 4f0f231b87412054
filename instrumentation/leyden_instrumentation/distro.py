"""The OpenTelemetry distro: defaults for a recorded agent, and one OpenAI instrumentation of those installed.

Selected by `OTEL_PYTHON_DISTRO=leyden`. A variable that the user has set is never overridden, but for
`LEYDEN_CAPTURE_CONTENT=false`, which wins: privacy must not hang on three libraries' variables.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import wrapt
from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]

from leyden_instrumentation import settings

_log = logging.getLogger(__name__)

OPENAI_INSTRUMENTATIONS = {
    "traceloop": "opentelemetry-instrumentation-openai",
    "genai": "opentelemetry-instrumentation-genai-openai",
    "openinference": "openinference-instrumentation-openai",
}
"""Choices of LEYDEN_OPENAI_INSTRUMENTATION, most preferred first. All of them name their entry point `openai`."""

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
}

_CONTENT_ON = {
    "TRACELOOP_TRACE_CONTENT": "true",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
}
_CONTENT_OFF = {
    "TRACELOOP_TRACE_CONTENT": "false",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "NO_CONTENT",
    "OPENINFERENCE_HIDE_INPUTS": "true",
    "OPENINFERENCE_HIDE_OUTPUTS": "true",
}


class LeydenDistro(BaseDistro):  # type: ignore[misc,unused-ignore]
    """Entry point `opentelemetry_distro`: leyden."""

    def _configure(self, **kwargs: Any) -> None:  # noqa: ARG002 (the base class's signature)
        set_defaults()

    def load_instrumentor(self, entry_point: metadata.EntryPoint, **kwargs: Any) -> None:
        """As stock, but of the OpenAI instrumentations only the chosen one, when the program imports openai."""
        if entry_point.name != "openai":
            super().load_instrumentor(entry_point, **kwargs)  # type: ignore[no-untyped-call,unused-ignore]
        elif entry_point.dist is not None and normal_name(entry_point.dist.name) == chosen_openai_instrumentation():
            wrapt.register_post_import_hook(lambda _: self._instrument_openai(entry_point, kwargs), "openai")

    def _instrument_openai(self, entry_point: metadata.EntryPoint, kwargs: dict[str, Any]) -> None:
        # Traceloop's hands openai's marker for "not given" to the SDK, which then complains at every call.
        logging.getLogger("opentelemetry.attributes").addFilter(lambda record: "openai.Omit" not in record.getMessage())
        try:
            super().load_instrumentor(entry_point, **kwargs)  # type: ignore[no-untyped-call,unused-ignore]
        except Exception as error:
            _log.warning("leyden: OpenAI calls are not recorded: %s failed: %s", entry_point.value, error)


def set_defaults(env: MutableMapping[str, str] | None = None) -> None:
    """Write our defaults into `env`, this process's environment if not given, where the user has said nothing."""
    env = os.environ if env is None else env
    limited = "OTEL_ATTRIBUTE_COUNT_LIMIT" in env
    for name, value in _DEFAULTS.items():
        if not (limited and name == "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"):
            env.setdefault(name, value)
    # gRPC has another port and its own default for it.
    if not env["OTEL_EXPORTER_OTLP_PROTOCOL"].startswith("grpc"):
        env.setdefault("OTEL_EXPORTER_OTLP_ENDPOINT", settings.DEFAULT_ENDPOINT)
    if settings.enabled(settings.CAPTURE_CONTENT, env):
        for name, value in _CONTENT_ON.items():
            env.setdefault(name, value)
    else:
        env.update(_CONTENT_OFF)


@dataclass(frozen=True, slots=True)
class Choice:
    """The distribution to instrument openai with, None for none, and why it is that one.

    in_vain: the one that was asked for is not to be had
    """

    distribution: str | None
    why: str
    in_vain: bool = False


def choose_openai_instrumentation(env: Mapping[str, str]) -> Choice:
    """The one asked for, else the first installed."""
    asked = env.get(settings.OPENAI_INSTRUMENTATION, "").strip().lower()
    setting = f"{settings.OPENAI_INSTRUMENTATION}={asked}"
    if asked == "none":
        return Choice(None, f"{setting} says so")
    installed = [name for name in OPENAI_INSTRUMENTATIONS.values() if _is_installed(name)]
    if asked in OPENAI_INSTRUMENTATIONS and OPENAI_INSTRUMENTATIONS[asked] in installed:
        return Choice(OPENAI_INSTRUMENTATIONS[asked], f"{setting} asks for it")
    first = installed[0] if installed else None
    if asked:
        known = f"none of {', '.join(OPENAI_INSTRUMENTATIONS)}"
        fault = "not installed" if asked in OPENAI_INSTRUMENTATIONS else known
        return Choice(first, f"{setting} is {fault}; using {first or 'none'}", in_vain=True)
    return Choice(first, "the default: the first installed, in our order" if first else "none is installed")


def chosen_openai_instrumentation() -> str | None:
    """The distribution to instrument openai with in this process. What was asked for in vain is said once."""
    choice = choose_openai_instrumentation(os.environ)
    if choice.in_vain and not _warned:
        _warned.append(choice.why)
        _log.warning("leyden: %s", choice.why)
    return choice.distribution


_warned: list[str] = []


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def normal_name(name: str) -> str:
    """A distribution's name as registries compare it."""
    return name.lower().replace("_", "-").replace(".", "-")
