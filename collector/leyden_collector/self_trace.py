"""The collector's own traces, only if asked for: a span for every export request it takes, sent to itself or elsewhere.

No loops: requests that bring these spans carry a mark and leave none themselves; inserts, which they cause, are told by
`/metrics` alone.
"""

from __future__ import annotations

import secrets
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SERVICE_NAME: Final = "leyden-collector"
_MARK: Final = "x-leyden-self-trace"
_DELAY_MS = 1000
_TIMEOUT_S = 5


class SelfTrace:
    """Makes and sends the spans. The mark is a secret of this process, so that nobody else's requests go untraced."""

    def __init__(self, url: str, token: str = "") -> None:
        """url: an OTLP/HTTP base URL; token: the bearer token it wants, or ""."""
        self._mark = secrets.token_hex(16)
        headers = {_MARK: self._mark} | ({"authorization": f"Bearer {token}"} if token else {})
        exporter = OTLPSpanExporter(f"{url.rstrip('/')}/v1/traces", headers=headers, timeout=_TIMEOUT_S)
        self._provider = TracerProvider(resource=Resource({"service.name": SERVICE_NAME}), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_DELAY_MS))
        self._tracer = self._provider.get_tracer("leyden_collector")

    def over(self, app: ASGIApp) -> ASGIApp:
        """The application with a span around every export request."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            headers = dict(scope.get("headers", ()))
            own = headers.get(_MARK.encode(), b"").decode("latin-1") == self._mark
            if scope["type"] != "http" or own or not scope["path"].startswith("/v1/"):
                await app(scope, receive, send)
                return
            attributes = {"http.request.method": scope["method"], "url.path": scope["path"]}
            for header, name in ((b"content-length", "http.request.body.size"), (b"user-agent", "user_agent.original")):
                if header in headers:
                    text = headers[header].decode("latin-1")
                    attributes[name] = int(text) if text.isdecimal() else text
            name = f"{scope['method']} {scope['path']}"
            with self._tracer.start_as_current_span(name, kind=SpanKind.SERVER, attributes=attributes) as span:

                async def noted(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        span.set_attribute("http.response.status_code", message["status"])
                        if message["status"] >= 500:
                            span.set_status(Status(StatusCode.ERROR))
                    await send(message)

                await app(scope, receive, noted)

        return traced

    def stop(self) -> None:
        """Send what is left, for as long as whoever it is sent to still answers."""
        self._provider.shutdown()
