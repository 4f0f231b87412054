"""Recording what passes the server: each call of a model becomes a span in OpenTelemetry's GenAI convention.

`recorder.py` gathers a call, `telling.py` adds up its reply, `span.py` writes it as a span, and `delivery.py` brings
spans to the collector.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry.util.re import parse_env_headers

from leyden_trainers.policy_server.recording.delivery import Delivery
from leyden_trainers.policy_server.recording.recorder import Recorder
from leyden_trainers.policy_server.recording.span import encode, resource

if TYPE_CHECKING:
    from leyden_trainers.policy_server.backend import Backend


def recorder_for(collector: str, backend: Backend, *, project: str | None = None) -> Recorder:
    """A recorder of a backend's calls to a collector, which is given the headers of OTEL_EXPORTER_OTLP_HEADERS."""
    headers = parse_env_headers(os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""), liberal=True)
    delivery = Delivery(collector, partial(encode, resource=resource(project)), headers)
    return Recorder(delivery, system=backend.system, address=backend.address)
