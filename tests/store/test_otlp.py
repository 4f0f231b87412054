"""OTLP is read typed, written back the same, and refused with a line that says where it is broken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from leyden_store.errors import OtlpInvalid
from leyden_store.otlp import decode_logs, decode_traces, encode_traces, json_to_protobuf
from leyden_store.spans import Event, Link, Span
from tests.support.capture_golden import CASES

texts = st.text(max_size=8)
scalars = (
    texts
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=8)
    | st.none()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
attributes = st.dictionaries(texts, values, max_size=4)
times = st.integers(0, 2**63 - 1)
trace_ids = st.binary(min_size=16, max_size=16).map(bytes.hex)
span_ids = st.binary(min_size=8, max_size=8).map(bytes.hex)
spans = st.builds(
    Span,
    trace_id=trace_ids,
    span_id=span_ids,
    name=texts,
    start_ns=times,
    end_ns=times,
    parent_span_id=st.just("") | span_ids,
    kind=st.sampled_from(["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"]),
    trace_state=texts,
    status=st.sampled_from(["Unset", "Ok", "Error"]),
    status_message=texts,
    scope_name=texts,
    scope_version=texts,
    resource=attributes,
    attributes=attributes,
    events=st.lists(st.builds(Event, times, texts, attributes), max_size=2).map(tuple),
    links=st.lists(st.builds(Link, trace_ids, span_ids, texts, attributes), max_size=2).map(tuple),
    dropped_attributes=st.integers(0, 5),
    prompt_token_ids=st.none() | st.lists(st.integers(0, 2**31), min_size=1, max_size=4),
    response_token_ids=st.none() | st.lists(st.integers(0, 2**31), min_size=1, max_size=4),
    response_logprobs=st.none() | st.lists(st.floats(-100, 0), min_size=1, max_size=4),
)


@given(st.lists(spans, max_size=4))
def test_spans_written_to_otlp_are_read_back_equal(written: list[Span]) -> None:
    read = decode_traces(encode_traces(written))
    # One request holds a resource's spans together, so their order is the request's.
    assert sorted(map(repr, read)) == sorted(map(repr, written))


def test_columns_come_from_the_span_before_its_resource() -> None:
    written = Span(
        "0" * 32,
        "1" * 16,
        "chat",
        1,
        2,
        resource={"leyden.rollout.id": "r-resource", "leyden.group.id": "g", "leyden.policy.version": 7},
        attributes={"leyden.rollout.id": "r-span", "leyden.attempt": 3, "leyden.response_logprobs": [-1, -0.5]},
    )
    (read,) = decode_traces(encode_traces([written]))
    assert (read.rollout_id, read.group_id, read.attempt, read.policy_version) == ("r-span", "g", 3, "7")
    assert read.response_logprobs == [-1.0, -0.5]
    assert "leyden.response_logprobs" not in read.attributes
    assert read.project == "default"


def test_agent_lightnings_rollout_is_a_rollout() -> None:
    written = Span("0" * 32, "1" * 16, "x", 1, 2, resource={"agentlightning.rollout_id": "ro-1"})
    assert decode_traces(encode_traces([written]))[0].rollout_id == "ro-1"


def test_columns_set_by_hand_are_written_as_attributes() -> None:
    written = Span("0" * 32, "1" * 16, "x", 1, 2, service="agent", rollout_id="r", project="p", policy_version="3")
    (read,) = decode_traces(encode_traces([written]))
    assert (read.service, read.rollout_id, read.project, read.policy_version) == ("agent", "r", "p", "3")


@pytest.mark.parametrize("case", ["genai-toolloop", "openinference-errors", "leyden-toolloop"])
@pytest.mark.parametrize("as_text", [True, False])
def test_otlp_json_is_read_as_its_protobuf(case: str, as_text: bool) -> None:
    body = (CASES / case / "input.pb").read_bytes()
    document = _otlp_json(body)
    given: Any = json.dumps(document) if as_text else document
    assert decode_traces(json_to_protobuf(given)) == decode_traces(body)


def _otlp_json(body: bytes) -> dict[str, Any]:
    """A request as OTLP/JSON: what protobuf's own JSON lacks is hex ids and numbers for enums."""
    request = ExportTraceServiceRequest.FromString(body)
    document: dict[str, Any] = MessageToDict(request, use_integers_for_enums=True)
    pairs = zip(request.resource_spans, document["resourceSpans"], strict=True)
    for scopes, shown_scopes in ((resource.scope_spans, shown["scopeSpans"]) for resource, shown in pairs):
        for scope, shown_scope in zip(scopes, shown_scopes, strict=True):
            for span, shown in zip(scope.spans, shown_scope["spans"], strict=True):
                shown |= {"traceId": span.trace_id.hex().upper(), "spanId": span.span_id.hex(), "fieldOfTheFuture": {}}
                shown["startTimeUnixNano"] = int(shown["startTimeUnixNano"])
                if span.parent_span_id:
                    shown["parentSpanId"] = span.parent_span_id.hex()
    return document


def test_log_records_are_read_in_json_and_protobuf() -> None:
    body = (CASES / "events-toolloop" / "logs.pb").read_bytes()
    record = {"timeUnixNano": "5", "eventName": "x", "traceId": "ab" * 16, "body": {"stringValue": "said"}}
    (read,) = decode_logs(json_to_protobuf({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}, "logs"))
    assert (read.time_ns, read.name, read.trace_id, read.body) == (5, "x", "ab" * 16, "said")
    assert decode_logs(body)[0].name == "gen_ai.system.message"


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ("{not json", "does not parse"),
        ("[1]", "is a list"),
        ({"resourceSpans": [{"scopeSpans": [{"spans": [{}, {"traceId": "xyz"}]}]}]}, "scopeSpans[0].spans[1].traceId"),
        ({"resourceSpans": 5}, "resourceSpans"),
        ({"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "noon"}]}]}]}, "startTimeUnixNano"),
        ('{"resourceSpans": [{"schemaUrl": "\ud800"}]}', "surrogate at"),
        (b"[" * 100_000, "does not parse"),
    ],
)  # fmt: skip
def test_broken_otlp_json_is_refused_saying_where(document: Any, where: str) -> None:
    with pytest.raises(OtlpInvalid) as refused:
        json_to_protobuf(document)
    assert where in str(refused.value)
    assert "\n" not in str(refused.value)


def test_json_is_read_in_every_encoding_that_json_has() -> None:
    span = {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "Zürich", "startTimeUnixNano": str(2**63 - 1)}
    text = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}, ensure_ascii=False)
    encoded = [text, text.encode(), text.encode("utf-8-sig"), text.encode("utf-16"), text.encode("utf-32-be")]
    assert len({json_to_protobuf(one) for one in encoded}) == 1
    assert decode_traces(json_to_protobuf(text))[0].name == "Zürich"


def test_bytes_that_are_no_request_are_refused() -> None:
    with pytest.raises(OtlpInvalid, match="no OTLP trace export request"):
        decode_traces(b"\xff\xff\xff")


def test_concatenated_requests_are_read_as_one() -> None:
    body = (CASES / "genai-chat" / "input.pb").read_bytes()
    assert len(decode_traces(body + body)) == 2 * len(decode_traces(body))
