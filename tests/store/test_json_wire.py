"""What is written straight from JSON is, byte for byte, what protobuf makes of it; the rest is left to protobuf."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from leyden_store._json_wire import Unusual, traces
from leyden_store.errors import OtlpInvalid
from leyden_store.otlp import json_to_protobuf
from tests.support.otlp_making import any_span, make, request_of


def as_json(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """As exporters write it: ids in hex, enumerations as numbers."""
    document: dict[str, Any] = MessageToDict(request, use_integers_for_enums=True)
    for sent, written in zip(request.resource_spans, document.get("resourceSpans", []), strict=True):
        for scope, scope_written in zip(sent.scope_spans, written["scopeSpans"], strict=True):
            for span, one in zip(scope.spans, scope_written["spans"], strict=True):
                one.update(traceId=span.trace_id.hex(), spanId=span.span_id.hex())
                if span.parent_span_id:
                    one["parentSpanId"] = span.parent_span_id.hex()
                for link, link_written in zip(span.links, one.get("links", []), strict=True):
                    link_written.update(traceId=link.trace_id.hex(), spanId=link.span_id.hex())
    return document


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_sent_comes_out_as_it_was(seed: int) -> None:
    random = Random(seed)
    usual = 0
    for _ in range(150):
        request = request_of([any_span(random)])
        document = json.loads(json.dumps(as_json(request)))
        assert ExportTraceServiceRequest.FromString(json_to_protobuf(document)) == request
        try:
            assert traces(document) == request.SerializeToString()
            usual += 1
        except Unusual:
            pass
    assert usual > 10


@pytest.mark.parametrize(
    "change",
    [
        {"unheardOf": 1},
        {"name": 5},
        {"name": None},
        {"kind": "SPAN_KIND_CLIENT"},
        {"kind": True},
        {"start_time_unix_nano": "5"},
        {"startTimeUnixNano": 1.5},
        {"startTimeUnixNano": -1},
        {"traceId": "zz"},
        {"traceId": "0 0"},
        {"attributes": {}},
        *(
            {"attributes": [{"key": "a", "value": value}]}
            for value in (
                None,
                {"doubleValue": "0.5"},
                {"bytesValue": "AA"},
                {"intValue": str(2**63)},
                {"stringValue": "\ud800"},
                {"intValue": "1", "boolValue": True},
                {"arrayValue": {"values": [{"stringValue": 1}]}},
            )
        ),
        {"droppedAttributesCount": -1},
        {"status": []},
    ],
    ids=str,
)
def test_what_is_unusual_is_left_to_protobuf(change: dict[str, Any]) -> None:
    document = as_json(request_of([make(1)]))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0].update(change)
    with pytest.raises(Unusual):
        traces(document)
    try:
        request = json_to_protobuf(document)
    except OtlpInvalid:
        return
    (span,) = ExportTraceServiceRequest.FromString(request).resource_spans[0].scope_spans[0].spans
    assert span.span_id == bytes.fromhex(f"{1:016x}")


def test_integers_come_as_numbers_or_strings() -> None:
    for number in (0, 1, -1, 127, 128, 2**63 - 1, -(2**63)):
        for written in (number, str(number)):
            pair = {"key": "n", "value": {"intValue": written}}
            document = {"resourceSpans": [{"resource": {"attributes": [pair]}}]}
            expected = ParseDict(document, ExportTraceServiceRequest()).SerializeToString()
            assert traces(document) == expected
