"""Record golden captures: every scenario under every installed instrumentation of the OpenAI client.

    python -m tests.support.capture_run [SCENARIO…]

writes tests/store/dialects/cases/<instrumentation>-<scenario>/input.pb. Each instrumentation has a process of its own.
The expected turns beside it are written by `python -m tests.support.capture_golden`, and read by a person before they
are kept.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CASES = Path(__file__).parents[1] / "store" / "dialects" / "cases"
INSTRUMENTATIONS = ("genai", "openinference", "traceloop", "genai-events", "default")
"""`genai-events` is `genai` told to put content in log records, which are kept beside the spans as `logs.pb`; `default`
is what our own capture makes where nothing is chosen."""

EVENT_SCENARIOS = ("parallel", "stream-text-and-call", "choices", "errors")
ENVIRONMENT = {
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "10000",
    "TRACELOOP_TRACE_CONTENT": "true",
    "LEYDEN_TOKEN_IDS": "off",
}


def record_all(names: list[str]) -> None:
    """Record the named scenarios under each instrumentation."""
    for instrumentation in INSTRUMENTATIONS:
        content = "EVENT_ONLY" if instrumentation == "genai-events" else "SPAN_ONLY"
        chosen = [name for name in names if content == "SPAN_ONLY" or name in EVENT_SCENARIOS]
        if not chosen:
            continue
        subprocess.run(
            [sys.executable, "-m", "tests.support.capture_run", "--under", instrumentation, *chosen],
            env={**os.environ, **ENVIRONMENT, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": content},
            check=True,
            timeout=120,
        )


def record_under(instrumentation: str, names: list[str]) -> None:
    """Record the named scenarios in this process."""
    from openai import OpenAI
    from opentelemetry import _logs, trace
    from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from tests.support.capture_scenarios import SCENARIOS
    from tests.support.capture_server import CaptureServer

    provider = TracerProvider(resource=Resource({"service.name": "capture", "leyden.rollout.id": "rollout-1"}))
    exporter = InMemorySpanExporter()
    if instrumentation == "default":
        from leyden_instrumentation.stamping import StampingProcessor

        provider.add_span_processor(StampingProcessor())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    told = InMemoryLogRecordExporter()
    loggers = LoggerProvider(resource=provider.resource)
    loggers.add_log_record_processor(SimpleLogRecordProcessor(told))
    _logs.set_logger_provider(loggers)
    _instrument(instrumentation)
    with CaptureServer() as server:
        for name in names:
            exporter.clear()
            told.clear()
            with OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
                SCENARIOS[name](client)
            folder = CASES / f"{instrumentation}-{name}"
            folder.mkdir(parents=True, exist_ok=True)
            body = encode_spans(exporter.get_finished_spans())
            (folder / "input.pb").write_bytes(_without_paths(body.SerializeToString()))
            if instrumentation == "genai-events":
                (folder / "logs.pb").write_bytes(encode_logs(told.get_finished_logs()).SerializeToString())


def _instrument(instrumentation: str) -> None:
    if instrumentation.startswith(("genai", "default")):
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
    elif instrumentation == "openinference":
        from openinference.instrumentation.openai import OpenAIInstrumentor
    else:
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument()
    if instrumentation == "default":
        from leyden_instrumentation import openai_genai

        openai_genai.complete()


def _without_paths(body: bytes) -> bytes:
    """Take stack traces out: they name this machine's folders and no dialect reads them."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest.FromString(body)
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                for event in span.events:
                    kept = [a for a in event.attributes if a.key != "exception.stacktrace"]
                    del event.attributes[:]
                    event.attributes.extend(kept)
    return bytes(request.SerializeToString())


if __name__ == "__main__":
    from tests.support.capture_scenarios import SCENARIOS as ALL

    if sys.argv[1:2] == ["--under"]:
        record_under(sys.argv[2], sys.argv[3:] or list(ALL))
    else:
        record_all(sys.argv[1:] or list(ALL))
