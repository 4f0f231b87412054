"""Whether the collector answers: an empty OTLP request, sent where and as the exporter would send spans."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Mapping

from leyden_instrumentation import collector_address, settings
from leyden_instrumentation.doctor_findings import Finding

_PATIENCE = 3.0
"""Seconds for one answer."""


def check(env: Mapping[str, str]) -> Finding:
    """env: the user's environment with the distro's defaults. Addresses are shown without user and password."""
    protocol = env.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or env.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    address = collector_address.of(env)
    parts = address.parts
    shown = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
    if protocol.startswith("grpc"):
        return _check_grpc(parts.hostname or "127.0.0.1", parts.port or 4317, shown)
    code, text = _ask(address.traces, b"", {"content-type": "application/x-protobuf", **address.headers})
    if code is None:
        fix = "leyden up &" if parts.hostname in ("127.0.0.1", "localhost", "::1") else _elsewhere
        return Finding("fault", "collector", f"{shown} does not answer: {text}", fix)
    if code in (401, 403):
        fix = "export OTEL_EXPORTER_OTLP_HEADERS='authorization=Bearer%20TOKEN'"
        return Finding("fault", "collector", f"{shown} refuses us: {code} {text}", fix)
    if code >= 300:
        return Finding("fault", "collector", f"{shown} takes no traces: {code} {text}", _elsewhere)
    health, said = _ask(f"{address.base}/health", None, {})
    more = f"; /health says {said}" if health == 200 and said else ""
    return Finding("ok", "collector", f"{shown} takes traces ({code}){more}")


_elsewhere = f"export OTEL_EXPORTER_OTLP_ENDPOINT={settings.DEFAULT_ENDPOINT}   # where the collector is"


def _ask(url: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int | None, str]:
    """The status and the beginning of what was said; None and the reason where nobody answered."""
    try:
        request = urllib.request.Request(url, data=body, headers=dict(headers))  # noqa: S310 - the user's own collector
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
            return answer.status, _line(answer.read(200))
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _line(error.read(200)) or error.reason
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return None, getattr(reason, "strerror", None) or str(reason)


def _line(said: bytes) -> str:
    return " ".join(said.decode("utf-8", "replace").split()) if said.isascii() else ""


def _check_grpc(host: str, port: int, shown: str) -> Finding:
    fix = "unset OTEL_EXPORTER_OTLP_PROTOCOL OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
    try:
        socket.create_connection((host, port), _PATIENCE).close()
    except OSError as error:
        return Finding("fault", "collector", f"{shown} does not answer gRPC: {error.strerror or error}", fix)
    return Finding("warn", "collector", f"{shown} is open; Leyden's collector takes http/protobuf, not gRPC", fix)
