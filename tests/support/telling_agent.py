"""A small agent recorded by genai-openai, its spans and log events sent by the SDK's own exporters.

    python -m tests.support.telling_agent COLLECTOR_URL (http|grpc) (EVENT_ONLY|SPAN_ONLY) SCENARIO

It is a process of its own, because an instrumentation reads its settings once.
"""

from __future__ import annotations

import os
import sys
from typing import Any

if __name__ == "__main__":
    url, protocol, content, scenario = sys.argv[1:]
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = content

    from openai import OpenAI
    from opentelemetry import _logs, trace
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from tests.support.capture_scenarios import SCENARIOS
    from tests.support.capture_server import CaptureServer

    spans: Any
    logs: Any
    if protocol == "http":
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        spans, logs = OTLPSpanExporter(f"{url}/v1/traces"), OTLPLogExporter(f"{url}/v1/logs")
    else:
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans

        spans, logs = GrpcSpans(url, insecure=True), GrpcLogs(url, insecure=True)
    resource = Resource({"service.name": "telling", "leyden.rollout.id": f"{protocol}-{content}"})
    tracers, loggers = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(spans))
    loggers.add_log_record_processor(BatchLogRecordProcessor(logs))
    trace.set_tracer_provider(tracers)
    _logs.set_logger_provider(loggers)
    OpenAIInstrumentor().instrument()
    with CaptureServer() as server, OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
        SCENARIOS[scenario](client)
    loggers.shutdown()
    tracers.shutdown()
