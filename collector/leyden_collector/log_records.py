"""Log records: of OTLP's logs the collector takes GenAI's events, which are a span's content told beside it.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/. They join their span by its ids when it is read.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from leyden_store.errors import OtlpInvalid

OTHER_LOG = "no_genai_event"
NO_SPAN = "no_span"

_EVALUATION = "gen_ai.evaluation.result"
_NO_TRACE, _NO_SPAN_ID = bytes(16), bytes(8)


def checked(body: bytes) -> tuple[bytes, int, dict[str, int]]:
    """Parse a logs request before acknowledging: the bytes to store, accepted records, and rejected ones by reason.

    Raises OtlpInvalid when the bytes are no ExportLogsServiceRequest.
    """
    message = ExportLogsServiceRequest()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise OtlpInvalid(f"the {len(body)} bytes are no ExportLogsServiceRequest: {error}") from error
    accepted, rejected = 0, dict.fromkeys((OTHER_LOG, NO_SPAN), 0)
    for resource_logs in message.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            records = scope_logs.log_records
            bad = []
            for index, record in enumerate(records):
                if (reason := _unfit(record)) is not None:
                    bad.append(index)
                    rejected[reason] += 1
            accepted += len(records) - len(bad)
            for index in reversed(bad):
                del records[index]
    if not any(rejected.values()):
        return body, accepted, {}
    return message.SerializeToString(), accepted, {reason: n for reason, n in rejected.items() if n}


def event_name(record: LogRecord) -> str:
    """A record's event: its field, or the attribute that was used before there was one."""
    if record.event_name:
        return str(record.event_name)
    return next((str(a.value.string_value) for a in record.attributes if a.key == "event.name"), "")


def _unfit(record: LogRecord) -> str | None:
    """Why a record is not stored. A score may name a reply by `gen_ai.response.id` where it cannot name a span."""
    name = event_name(record)
    if not name.startswith("gen_ai."):
        return OTHER_LOG
    trace, span = record.trace_id, record.span_id
    if len(trace) == 16 and len(span) == 8 and trace != _NO_TRACE and span != _NO_SPAN_ID:
        return None
    named = name == _EVALUATION and any(
        a.key == "gen_ai.response.id" and a.value.string_value for a in record.attributes
    )
    return None if named and not trace.strip(b"\0") and not span.strip(b"\0") else NO_SPAN
