"""Whose call it is: what names the rollout, and which trace it is part of."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from leyden_trainers.policy_server.naming import off_path, rollout_path
from tests.support.otlp_sink import OtlpSink
from tests.support.scripted_llm import ScriptedLlm
from tests.trainers.policy_server.fronting import HELLO, fronting, post

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("base", "headers", "named"),
    [
        ("/rollout/r%2F1/v1", {}, ("r/1", None, None)),
        ("/rollout/r1/group/g%201/attempt/2/v1", {}, ("r1", "g 1", 2)),
        ("/v1", {"x-leyden-rollout-id": "r2", "x-leyden-group-id": "g", "x-leyden-attempt": "0"}, ("r2", "g", 0)),
        ("/v1", {"baggage": "leyden.rollout.id=r3,leyden.group.id=g%203,leyden.attempt=4"}, ("r3", "g 3", 4)),
        ("/v1", {"baggage": "leyden.rollout.id=r3,leyden.attempt=four"}, ("r3", None, None)),
        ("/rollout/r1/v1", {"x-leyden-rollout-id": "r2", "x-leyden-group-id": "g"}, ("r1", "g", None)),
        ("/v1", {}, (None, None, None)),
    ],
)
def test_path_headers_or_baggage_name_the_rollout(
    sink: OtlpSink, base: str, headers: dict[str, str], named: tuple[Any, ...]
) -> None:
    with ScriptedLlm() as llm, fronting(llm.url, collector=sink.url) as front:
        assert httpx.post(f"{front}{base}/chat/completions", json=HELLO, headers=headers).status_code == 200
    found = sink.wait_for(bool)[0].attributes
    assert tuple(found.get(f"leyden.{key}") for key in ("rollout.id", "group.id", "attempt")) == named
    assert llm.seen[0].path == "/v1/chat/completions"


def test_an_attempt_that_is_no_number_is_refused(sink: OtlpSink) -> None:
    with ScriptedLlm() as llm, fronting(llm.url, collector=sink.url) as front:
        reply = post(front, "/rollout/r1/attempt/two/v1/chat/completions")
    assert (reply.status_code, reply.json()["error"]["message"]) == (400, 'an attempt is a whole number, not "two"')


def test_a_path_taken_apart_is_the_path_put_together() -> None:
    for named in (("r", None, None), ("r/1 ü?#", "g%2F", 3)):
        path = rollout_path(*named) + "/v1/models"
        keys = ("rollout_id", "group_id", "attempt")
        told = {key: str(value) for key, value in zip(keys, named, strict=True) if value is not None}
        assert off_path(path) == ("/v1/models", told)
    assert off_path("/v1/chat/completions") == ("/v1/chat/completions", {})
    assert off_path("/rollout") == ("/rollout", {})


def test_a_call_within_a_trace_is_part_of_it_and_what_the_upstream_records_part_of_the_call(sink: OtlpSink) -> None:
    with ScriptedLlm() as llm, fronting(llm.url, collector=sink.url) as front:
        post(front, traceparent=PARENT)
    span = sink.wait_for(bool)[0]
    assert (span.trace_id, span.parent_id) == tuple(PARENT.split("-")[1:3])
    assert llm.seen[0].headers["traceparent"] == f"00-{span.trace_id}-{span.span_id}-01"


def test_the_calls_of_a_rollout_outside_of_any_trace_are_one_trace(sink: OtlpSink) -> None:
    with (
        ScriptedLlm() as llm,
        fronting(llm.url, collector=sink.url) as front,
        fronting(llm.url, collector=sink.url) as too,
    ):
        for base in (front, too, front):
            post(base, "/rollout/r1/v1/chat/completions")
        post(front, "/rollout/r2/v1/chat/completions")
        post(front)
    traces = [span.trace_id for span in sink.wait_for(lambda spans: len(spans) == 5)]
    assert len(set(traces[:3])) == 1
    assert len(set(traces)) == 3
