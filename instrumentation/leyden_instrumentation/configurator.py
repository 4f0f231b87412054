"""The OpenTelemetry configurator: the SDK with our processors, the clients' hooks, and the process's root span.

Selected by `OTEL_PYTHON_CONFIGURATOR=leyden`. Runs after the distro's defaults and before any instrumentation loads.
"""

from __future__ import annotations

import logging
import os
from types import ModuleType
from typing import Any

import wrapt
from opentelemetry import trace
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from leyden_instrumentation import identity, native, program, redaction, settings
from leyden_instrumentation.delivery import DeliveryProcessor
from leyden_instrumentation.process import Process
from leyden_instrumentation.redaction import RedactingExporter
from leyden_instrumentation.stamping import StampingProcessor

_log = logging.getLogger("leyden_instrumentation")


class LeydenConfigurator(_OTelSDKConfigurator):
    """Entry point `opentelemetry_configurator`: leyden."""

    def _configure(self, **kwargs: Any) -> None:
        try:
            redactor = redaction.from_environment()
            if os.environ.get("OTEL_CONFIG_FILE") and (
                os.environ.get(settings.REDACT) or os.environ.get(settings.REDACT_WITH)
            ):
                raise ValueError(f"{settings.REDACT} has no say where OTEL_CONFIG_FILE sets the exporters: unset one")
        except ValueError as error:
            # What is to be hidden and cannot be must not go out.
            _log.warning("leyden: this program runs unrecorded: %s", error)
            return
        deliveries: list[DeliveryProcessor] = []

        def deliver(exporter: SpanExporter) -> DeliveryProcessor:
            deliveries.append(DeliveryProcessor(RedactingExporter(exporter, redactor)))
            return deliveries[-1]

        if os.environ.get("OTEL_CONFIG_FILE"):
            # A declarative configuration is the user's whole will: the SDK takes nothing from us beside it.
            super()._configure()  # type: ignore[no-untyped-call,unused-ignore]
            provider = trace.get_tracer_provider()
            if isinstance(provider, TracerProvider):
                provider.add_span_processor(StampingProcessor())
        else:
            kwargs.setdefault("resource_attributes", {}).update(_resource())
            super()._configure(  # type: ignore[no-untyped-call,unused-ignore]
                span_processors=[StampingProcessor()], export_span_processor=deliver, **kwargs
            )
        for client in ("openai", "anthropic"):
            wrapt.register_post_import_hook(_hook, client)
        native.register()
        Process.start(deliveries)


def _hook(client: ModuleType) -> None:
    from leyden_instrumentation import client_hooks

    client_hooks.install(client.__name__)


def _resource() -> dict[str, str | int]:
    """What holds for the whole process, and a service name where the user gives none."""
    attributes = identity.from_environment().attributes()
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return attributes if named else {**attributes, "service.name": program.name()}
