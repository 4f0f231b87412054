"""OTLP for tests: spans as any SDK might send them, a short way to make one, and comparison by every bit."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from random import Random
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from leyden_store.ingest import OtlpWriter, delimited
from leyden_store.lightning import LightningStore
from leyden_store.otlp import encode_traces
from leyden_store.spans import AttributeValue, Event, Link, Span

DAY_NS = 86_400 * 10**9
NOW_NS = 1_790_000_000 * 10**9
"""A moment in 2026; tests that need a time start here."""

_TEXTS = (
    "",
    "é漢字🙂",
    "quo\"te'\\n",
    "a\tb\nc\0d",
    "x" * 2000,
    "null",
    "NaN",
    "0",
    "true",
    " ",
    "/",
    "{}",
    "model",
    "\u2028",
)
_INTS = (0, 1, -1, 7, 2**31, -(2**63), 2**63 - 1)
_DOUBLES = (0.0, -0.0, 1.0, 1e300, -5e-324, 1e16, 123456789.125, 0.1, float("nan"), float("inf"), float("-inf"))
_KEYS = (
    "gen_ai.input.messages", "gen_ai.request.model", "input.value", "session.id", "events", "llm.input_messages.0.text",
    "", "a.b", "é", "user.id", "leyden.attempt", "leyden.policy.version", "service.name", 'quo"te.\'d', "n\0l",
    "leyden.choice.1.response_token_ids", "gen_ai.usage.input_tokens", "k1", "k2", "k3",
)  # fmt: skip


def any_value(random: Random, depth: int = 0) -> AttributeValue:
    """An attribute value of any type OTLP has, nested to any kind of array and kvlist."""
    match random.randrange(6 if depth > 2 else 9):
        case 0:
            return random.choice(_TEXTS)
        case 1:
            return random.random() < 0.5
        case 2:
            return random.choice(_INTS)
        case 3:
            return random.choice(_DOUBLES) if random.random() < 0.5 else random.uniform(-1e6, 1e6)
        case 4:
            return random.randbytes(random.randrange(9))
        case 5:
            return None
        case 6:
            return [any_value(random, depth + 1) for _ in range(random.randrange(4))]
        case 7:
            return {random.choice(_KEYS): any_value(random, depth + 1) for _ in range(random.randrange(4))}
        case _:
            alike = random.choice((_TEXTS, _INTS, _DOUBLES, (True, False)))
            return [random.choice(alike) for _ in range(random.randrange(6))]


def any_span(random: Random) -> Span:
    """A span as any SDK might send it; its ids are unique."""

    def attributes() -> dict[str, AttributeValue]:
        return {random.choice(_KEYS): any_value(random) for _ in range(random.randrange(6))}

    def text() -> str:
        return random.choice(_TEXTS)

    def count() -> int:
        return random.choice((0, 1, 257, 2**32 - 1))

    def ids() -> list[int] | None:
        return [random.randrange(2**31) for _ in range(random.randrange(1, 5))] if random.random() < 0.5 else None

    start = random.choice((0, 1, NOW_NS, random.randrange(2**32 * 10**9)))
    return Span(
        trace_id=random.randbytes(16).hex(),
        span_id=random.randbytes(8).hex(),
        parent_span_id=random.choice(("", random.randbytes(8).hex())),
        name=text(),
        start_ns=start,
        end_ns=start + random.choice((0, 1, 10**9, 10**15)),
        kind=random.choice(("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")),
        trace_state=text(),
        status=random.choice(("Unset", "Ok", "Error")),
        status_message=text(),
        service=text(),
        scope_name=text(),
        scope_version=text(),
        resource=attributes(),
        attributes=attributes(),
        events=tuple(Event(random.randrange(2**62), text(), attributes(), count()) for _ in range(random.randrange(3))),
        links=tuple(
            Link(random.randbytes(16).hex(), random.randbytes(8).hex(), text(), attributes(), count(), count())
            for _ in range(random.randrange(3))
        ),
        dropped_attributes=count(),
        dropped_events=count(),
        dropped_links=count(),
        flags=count(),
        scope_attributes=attributes(),
        scope_dropped_attributes=count(),
        scope_schema_url=text(),
        resource_dropped_attributes=count(),
        resource_schema_url=text(),
        user_id=text(),
        project=random.choice(("default", "other")),
        rollout_id=text(),
        group_id=text(),
        attempt=random.choice((None, 0, 1, -(2**31), 2**31 - 1)),
        session_id=text(),
        policy_version=random.choice((None, "7", "v1")),
        prompt_token_ids=ids(),
        response_token_ids=ids(),
        response_logprobs=random.choice((None, [random.choice(_DOUBLES), random.uniform(-20, 0), -0.1])),
    )


def make(number: int, *, trace: int = 1, parent: int | None = None, at_ns: int = NOW_NS, **rest: Any) -> Span:
    """A small span: ids by number, `at_ns` and then a microsecond each. No parent is a root."""
    return Span(
        trace_id=f"{trace:032x}",
        span_id=f"{number:016x}",
        parent_span_id="" if parent is None else f"{parent:016x}",
        **{"name": f"span {number}", "start_ns": at_ns + number * 1000, "end_ns": at_ns + number * 1000 + 500, **rest},
    )


def chat(number: int, *, trace: int = 1, parent: int | None = None, said: str = "hello", **rest: Any) -> Span:
    """An LLM span that the OTel GenAI dialect reads."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "tiny",
        "gen_ai.response.id": f"resp-{trace}-{number}",
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]',
        "gen_ai.output.messages": (
            f'[{{"role":"assistant","parts":[{{"type":"text","content":"{said}"}}],"finish_reason":"stop"}}]'
        ),
        **rest.pop("attributes", {}),
    }
    name = "opentelemetry.instrumentation.openai_v2"
    return make(number, trace=trace, parent=parent, kind="Client", scope_name=name, attributes=attributes, **rest)


def put(store: LightningStore, *batches: Iterable[Span] | bytes) -> None:
    """Store batches (spans, or export requests), each in an insert of its own, as the collector does."""
    writer = OtlpWriter(store.connection)
    try:
        for number, batch in enumerate(batches):
            segment = delimited([batch if isinstance(batch, bytes) else encode_traces(batch)])
            writer.write(segment, token=f"{number}:{hashlib.sha256(segment).hexdigest()}")
    finally:
        writer.close()


def request_of(spans: Iterable[Span]) -> ExportTraceServiceRequest:
    """The export request that holds the spans."""
    return ExportTraceServiceRequest.FromString(encode_traces(spans))


def exact(value: Any) -> Any:
    """A value to compare by: types count (1 is not True), doubles by their bits, mappings without order."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: exact(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, float):
        return ("double", "nan" if value != value else struct.pack("<d", value))
    if isinstance(value, Mapping):
        return ("map", {key: exact(value[key]) for key in sorted(value)})
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ("list", [exact(item) for item in value])
    return (type(value).__name__, value)


def by_id(spans: Iterable[Span]) -> dict[tuple[str, str], Any]:
    """Spans to compare, by (trace id, span id); asserts that none is there twice."""
    found: dict[tuple[str, str], Any] = {}
    for span in spans:
        key = (span.trace_id, span.span_id)
        assert key not in found, f"span {key} is there twice"
        found[key] = exact(span)
    return found


def differences(sent: Mapping[Any, Any], read: Mapping[Any, Any]) -> list[str]:
    """What `by_id` of both differ in: the missing, the extra, and field by field the changed."""
    found = [f"{key} is missing" for key in sent.keys() - read.keys()] + [
        f"{key} is extra" for key in read.keys() - sent.keys()
    ]
    for key in sent.keys() & read.keys():
        found += [
            f"{key} {f}: sent {v!r}, read {read[key][f]!r}"[:2000] for f, v in sent[key].items() if v != read[key][f]
        ]
    return found
