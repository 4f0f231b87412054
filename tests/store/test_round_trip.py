"""OTLP in, `leyden export --format otlp` out: the same spans, whatever values they hold."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanPb

from leyden_exporters.span_formats import write_otlp
from leyden_store.lightning import LightningStore
from tests.support.otlp_making import NOW_NS, put

TEXT = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.just("x\0y"), st.just("é" * 50_000))
KEYS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["a.b", "quo\"te'd", "session.id", "user.id", "leyden.attempt", "gen_ai.input.messages", "events"]),
)
COUNT = st.integers(0, 2**32 - 1)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, -1, 2**63 - 1, -(2**63)]),
    st.floats(),
    TEXT,
    st.binary(max_size=9),
)
VALUES = st.recursive(SCALARS, lambda v: st.one_of(st.lists(v, max_size=4), st.dictionaries(KEYS, v, max_size=3)))
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=5)
numbers = itertools.count(1)


def any_value(value: Any) -> AnyValue:
    """Written by hand: the encoder under test is not its own witness."""
    made = AnyValue()
    match value:
        case bool():
            made.bool_value = value
        case int():
            made.int_value = value
        case float():
            made.double_value = value
        case str():
            made.string_value = value
        case bytes():
            made.bytes_value = value
        case list():
            made.array_value.SetInParent()
            made.array_value.values.extend(any_value(item) for item in value)
        case dict():
            made.kvlist_value.SetInParent()
            for key, item in value.items():
                made.kvlist_value.values.add(key=key, value=any_value(item))
    return made


def write(pairs: Any, attributes: dict[str, Any]) -> None:
    for key, value in attributes.items():
        pairs.add(key=key, value=any_value(value))


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add(schema_url=draw(TEXT))
    write(group.resource.attributes, draw(ATTRIBUTES))
    group.resource.dropped_attributes_count = draw(COUNT)
    scope = group.scope_spans.add(schema_url=draw(TEXT))
    scope.scope.name, scope.scope.version = draw(TEXT), draw(TEXT)
    write(scope.scope.attributes, draw(ATTRIBUTES))
    scope.scope.dropped_attributes_count = draw(COUNT)
    for _ in range(draw(st.integers(1, 2))):
        number = next(numbers)
        span = scope.spans.add(
            trace_id=number.to_bytes(16, "big"), span_id=draw(st.binary(min_size=8, max_size=8)), name=draw(TEXT),
            trace_state=draw(TEXT), start_time_unix_nano=NOW_NS + number,
            end_time_unix_nano=NOW_NS + number + draw(st.integers(0, 10**12)), flags=draw(COUNT),
            kind=draw(st.sampled_from(SpanPb.SpanKind.values())), dropped_attributes_count=draw(COUNT),
            dropped_events_count=draw(COUNT), dropped_links_count=draw(COUNT),
        )  # fmt: skip
        span.status.message = draw(TEXT)
        span.status.code = draw(st.integers(0, 2))
        write(span.attributes, draw(ATTRIBUTES))
        for _ in range(draw(st.integers(0, 2))):
            event = span.events.add(time_unix_nano=NOW_NS, name=draw(TEXT), dropped_attributes_count=draw(COUNT))
            write(event.attributes, draw(ATTRIBUTES))
            link = span.links.add(
                trace_id=draw(st.binary(min_size=16, max_size=16)), span_id=draw(st.binary(min_size=8, max_size=8)),
                trace_state=draw(TEXT), dropped_attributes_count=draw(COUNT), flags=draw(COUNT),
            )  # fmt: skip
            write(link.attributes, draw(ATTRIBUTES))
    return made


def flat(request: ExportTraceServiceRequest) -> dict[bytes, str]:
    """Each span with its resource and scope, as text: NaN equals itself, and the order of attributes says nothing."""
    found = {}
    for group in request.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                for item in (span, *span.events, *span.links):
                    sort(item.attributes)
                sort(group.resource.attributes)
                sort(scope.scope.attributes)
                around = (group.resource, group.schema_url, scope.scope, scope.schema_url)
                found[span.trace_id] = "\n".join(map(str, (span, *around)))
    return found


def sort(pairs: Any) -> None:
    ordered = sorted(pairs, key=lambda pair: pair.key)
    copies = [type(pair).FromString(pair.SerializeToString()) for pair in ordered]
    del pairs[:]
    pairs.extend(copies)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("round")
    with LightningStore.open(f"chdb://{folder}/store") as store:
        yield store, folder


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(requests(), min_size=6, max_size=6))
def test_what_is_exported_is_what_was_sent(shared: tuple[LightningStore, Path], sent: list[Any]) -> None:
    store, folder = shared
    put(store, *[request.SerializeToString() for request in sent])
    wanted = {key: text for request in sent for key, text in flat(request).items()}
    low, high = min(wanted).hex(), max(wanted).hex()
    chosen = store.select(where=f"TraceId BETWEEN '{low}' AND '{high}'")
    write_otlp(store, chosen, folder / "out.pb")
    exported = flat(ExportTraceServiceRequest.FromString((folder / "out.pb").read_bytes()))
    assert {key: exported.get(key) for key in wanted} == wanted
