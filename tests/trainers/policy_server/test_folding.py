"""A call recorded by its agent and by the server is one turn, tied by a trace, or by the rollout and the time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from leyden_store.otlp import decode_traces
from leyden_store.reading import read_rollouts
from leyden_store.turns import Rollout
from leyden_trainers.policy_server.naming import Caller
from leyden_trainers.policy_server.recording.recorder import Recording
from leyden_trainers.policy_server.recording.span import encode

SECOND = 10**9
REPLY = {
    "id": "chatcmpl-1",
    "model": "m",
    "prompt_token_ids": [1, 2],
    "choices": [
        {
            "index": 0,
            "message": {"content": "hello"},
            "finish_reason": "stop",
            "token_ids": [3, 4],
            "logprobs": {"content": [{"logprob": -0.1}, {"logprob": -0.2}]},
        }
    ],
}
ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def call(caller: Caller, trace_id: str, begun: int, took: int, reply: dict[str, object] = REPLY) -> Recording:
    made = Recording(caller, trace_id, "/chat/completions", ASKED, "openai", None, "", parts=[reply])
    made.start_ns, made.end_ns = begun, begun + took
    return made


def read(agent: Recording, server: Recording) -> Rollout:
    """The agent's span is one of another instrumentation, without ids."""
    bare = {**REPLY, "choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}], "prompt_token_ids": None}
    told = ExportTraceServiceRequest.FromString(encode([replace(agent, parts=[bare])], {}))
    told.resource_spans[0].scope_spans[0].scope.name = "some.instrumentation"
    told.MergeFromString(encode([server], {}))
    (rollout,) = read_rollouts(decode_traces(told.SerializeToString()))
    return rollout


@pytest.mark.parametrize("skew", [0, 3600 * SECOND], ids=["", "clocks an hour apart"])
def test_by_the_trace_however_their_clocks_differ(skew: int) -> None:
    agent = call(Caller(rollout_id="r"), "a" * 32, SECOND, SECOND)
    server = call(Caller(trace_id="a" * 32, parent_id=agent.span_id), "a" * 32, SECOND + skew + 1000, SECOND - 2000)
    rollout = read(agent, server)
    (turn,) = rollout.turns
    assert (rollout.rollout_id, turn.span_id) == ("r", agent.span_id)
    assert (turn.prompt_token_ids, turn.response_token_ids, turn.response_logprobs) == ([1, 2], [3, 4], [-0.1, -0.2])
    assert [dropped.reason.value for dropped in rollout.dropped] == ["doubled"]


@pytest.mark.parametrize("named", ["r", None], ids=["same rollout", "server names none"])
def test_by_the_response_and_the_time_across_traces(named: str | None) -> None:
    agent = call(Caller(rollout_id="r"), "a" * 32, SECOND, SECOND)
    server = call(Caller(rollout_id=named), "b" * 32, SECOND + 1000, SECOND - 2000)
    rollout = read(agent, server)
    (turn,) = rollout.turns
    assert (rollout.rollout_id, list(turn.response_token_ids or ())) == ("r", [3, 4])
    assert [dropped.reason.value for dropped in rollout.dropped] == ["doubled"]
