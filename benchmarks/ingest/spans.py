"""Spans to send: export requests of GenAI agent traces, about 1.5 KB a span, as a recorded agent gives them.

A trace is an invoke_agent root, then per turn a chat span (with the growing history) and an execute_tool span.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_SECOND = 10**9
_START_NS = 1_790_000_000 * _SECOND
_SPREAD_S = 3000
_TURNS = 4
_WORDS = [
    "agent",
    "calls",
    "tool",
    "search",
    "weather",
    "paris",
    "query",
    "table",
    "select",
    "from",
    "where",
    "result",
    "answer",
    "user",
    "system",
    "think",
    "plan",
    "step",
    "final",
    "price",
    "order",
    "customer",
    "refund",
    "policy",
    "the",
    "a",
    "to",
    "of",
    "and",
    "is",
]
_MARK = b"\x9c\x55\xe1\x07"
"""Ends every id of a template; replaced, it makes every request's ids its own."""


@dataclass(frozen=True, slots=True)
class Load:
    """Requests to send. Their spans are all different spans."""

    bodies: list[bytes]
    spans: int

    @property
    def bytes(self) -> int:
        return sum(map(len, self.bodies))


def make_load(requests: int, spans_a_request: int, *, seed: int = 0, templates: int = 32) -> Load:
    """Requests of protobuf; after `templates` of them the contents repeat, the ids never."""
    rng = random.Random(seed)
    made = [_request(rng, spans_a_request).SerializeToString() for _ in range(min(requests, templates))]
    marks = _marks(rng, requests)
    bodies = [made[i % len(made)].replace(_MARK, mark) for i, mark in enumerate(marks)]
    spans = len(ExportTraceServiceRequest.FromString(bodies[0]).resource_spans[0].scope_spans[0].spans)
    return Load(bodies, spans * requests)


def as_json(load: Load) -> Load:
    """The same spans as OTLP/JSON: ids in hex, enumerations as numbers."""

    def one(body: bytes) -> bytes:
        document = MessageToDict(ExportTraceServiceRequest.FromString(body), use_integers_for_enums=True)
        for span, sent in zip(_spans(document), _messages(body), strict=True):
            for field in ("trace_id", "span_id", "parent_span_id"):
                if value := getattr(sent, field):
                    head, *rest = field.split("_")
                    span[head + "".join(word.title() for word in rest)] = value.hex()
        return json.dumps(document, separators=(",", ":")).encode()

    return Load([one(body) for body in load.bodies], load.spans)


def _marks(rng: random.Random, count: int) -> Iterator[bytes]:
    first = rng.randrange(2**31)
    return ((first + i).to_bytes(4, "big") for i in range(count))


def _messages(body: bytes) -> Iterator[Span]:
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            yield from scope_spans.spans


def _spans(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for resource_spans in document["resourceSpans"]:
        for scope_spans in resource_spans["scopeSpans"]:
            yield from scope_spans["spans"]


def _request(rng: random.Random, spans: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource = {"service.name": "bench-agent", "service.version": "1.0", "telemetry.sdk.language": "python"}
    resource_spans.resource.attributes.extend(_attributes(resource))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = "opentelemetry.instrumentation.genai.openai", "1.3b0"
    while len(scope_spans.spans) < spans:
        scope_spans.spans.extend(_trace(rng, _START_NS + rng.randrange(_SPREAD_S * _SECOND)))
    return request


def _trace(rng: random.Random, start: int) -> Iterator[Span]:
    trace_id, root_id = rng.randbytes(12) + _MARK, rng.randbytes(4) + _MARK

    def text(words: int) -> str:
        return " ".join(rng.choices(_WORDS, k=words))

    def span(name: str, kind: int, at: int, length: int, attributes: dict[str, Any], *, root: bool = False) -> Span:
        return Span(
            trace_id=trace_id,
            span_id=root_id if root else rng.randbytes(4) + _MARK,
            parent_span_id=b"" if root else root_id,
            name=name,
            kind=kind,  # type: ignore[arg-type]
            start_time_unix_nano=at,
            end_time_unix_nano=at + length,
            attributes=_attributes(attributes),
        )

    conversation = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "bench"}
    conversation["gen_ai.conversation.id"] = trace_id.hex()
    yield span("invoke_agent bench", 1, start, (_TURNS + 1) * _SECOND, conversation, root=True)
    messages = [_message("system", text(60)), _message("user", text(40))]
    for turn in range(_TURNS):
        at = start + (turn + 1) * _SECOND
        arguments, result = json.dumps({"q": text(5)}), text(50)
        call = {"type": "tool_call", "id": f"call_{turn}", "name": "search", "arguments": json.loads(arguments)}
        reply = _message("assistant", text(30))
        reply["parts"].append(call)
        chat = span("chat gpt-4o", 3, at, 8 * _SECOND // 10, {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-11-20", "gen_ai.request.temperature": 0.7,
            "gen_ai.usage.input_tokens": 300 + 90 * turn, "gen_ai.usage.output_tokens": 60,
            "gen_ai.response.finish_reasons": ["tool_calls"], "gen_ai.response.id": f"chatcmpl-{rng.randrange(10**12)}",
            "gen_ai.input.messages": json.dumps(messages), "gen_ai.output.messages": json.dumps([reply]),
            "server.address": "api.openai.com", "server.port": 443,
        })  # fmt: skip
        chat.status.code = 1  # type: ignore[assignment]
        yield chat
        done = {"role": "tool", "parts": [{"type": "tool_call_response", "id": f"call_{turn}", "response": result}]}
        messages += [reply, done]
        tool = span("execute_tool search", 1, at + 8 * _SECOND // 10, _SECOND // 10, {
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search",
            "gen_ai.tool.call.id": f"call_{turn}",
            "gen_ai.tool.call.arguments": arguments, "gen_ai.tool.call.result": result,
        })  # fmt: skip
        tool.events.add(time_unix_nano=at, name="log").attributes.extend(_attributes({"level": "info"}))
        yield tool


def _message(role: str, said: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": said}]}


def _attributes(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def _value(value: Any) -> AnyValue:
    match value:
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[_value(item) for item in value]))
    return AnyValue(string_value=value)
