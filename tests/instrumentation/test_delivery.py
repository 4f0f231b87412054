"""What waits for a collector that does not take it: so much and no more, and nobody waits with it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from leyden_instrumentation.delivery import DeliveryProcessor
from leyden_instrumentation.distro import set_defaults


class Stuck(SpanExporter):
    """Takes nothing until it is let go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.names: list[str] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        assert self.free.wait(60)
        self.names += [span.name for span in spans]
        return SpanExportResult.SUCCESS


def test_a_full_queue_lets_go_of_spans_and_no_call_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults: dict[str, str] = {}
    set_defaults(defaults)
    for name, value in defaults.items():
        monkeypatch.setenv(name, value)
    exporter = Stuck()
    delivery = DeliveryProcessor(exporter)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(delivery)
    tracer = provider.get_tracer("test")
    for number in range(12_000):
        tracer.start_span(str(number)).end()
    # All of them have ended while the exporter sits on its first batch.
    assert not exporter.names
    exporter.free.set()
    delivery.shutdown()
    assert 10_000 <= len(exporter.names) <= 10_000 + int(defaults["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"])
    assert len(set(exporter.names)) == len(exporter.names)
