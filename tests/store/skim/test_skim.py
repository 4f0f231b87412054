"""Skimming gives what reading gives, less the words: on every golden capture and on random span trees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leyden_store.reading import read_rollouts
from leyden_store.skim import Skimmed, skim_spans
from leyden_store.spans import Event, Span
from leyden_store.turns import PostedReward, Rollout, Turn
from tests.support.capture_golden import CASES, case_spans

ALL = sorted(path for path in CASES.iterdir() if path.is_dir())
WORDS = {
    "dialect", "provider", "model", "messages", "response", "tools", "usage", "cost", "params", "session_id", "status",
    "notes", "choices",
}  # fmt: skip
LAW = settings(deadline=None, max_examples=250)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_a_golden_capture_skimmed_is_as_if_read(case: Path) -> None:
    spans = case_spans(case)
    assert as_skimmed(skim_spans(spans)) == as_read(read_rollouts(spans))


def test_captures_of_our_own_and_of_agent_lightning_need_no_reading() -> None:
    assert all(isinstance(one, Skimmed) for one in skim_spans(case_spans(CASES / "leyden-toolloop")))
    spans = [a_call(1, indexed=True, rollout_id="r"), a_call(2, start=9, indexed=True, rollout_id="r")]
    assert all(isinstance(one, Skimmed) for one in skim_spans(spans))


@st.composite
def span_trees(draw: st.DrawFn) -> list[Span]:
    """Calls, agents, scores and silent spans, in trees over one or two traces, with every flaw a span may have."""
    spans: list[Span] = []
    for number in range(1, draw(st.integers(1, 9)) + 1):
        trace = draw(st.sampled_from("ab"))
        parent = draw(st.sampled_from(["", *[span.span_id for span in spans if span.trace_id == trace], "missing"]))
        start = draw(st.integers(0, 9))
        place: dict[str, Any] = {
            "trace_id": trace,
            "parent_span_id": parent,
            "start": start,
            "end": start + draw(st.integers(0, 3)),
            "rollout_id": draw(st.sampled_from(["", "", "r", "q"])),
            "group_id": draw(st.sampled_from(["", "g"])),
            "attempt": draw(st.sampled_from([None, None, 0, 1])),
            "policy_version": draw(st.sampled_from([None, None, "3", "main"])),
        }
        match draw(st.sampled_from(["call", "call", "call", "agent", "score", "event", "lightning", "silent"])):
            case "call":
                spans.append(a_call(number, **place, **draw(flaws())))
            case "agent":
                name = draw(st.sampled_from(["planner", "worker"]))
                spans.append(a_span(number, attributes={"gen_ai.agent.name": name}, **place))
            case "score":
                scored: dict[str, Any] = {
                    "gen_ai.evaluation.score.value": draw(st.sampled_from([1.0, -1, float("nan")]))
                }
                if draw(st.booleans()):
                    scored["gen_ai.response.id"] = f"reply-{draw(st.integers(1, 9))}"
                spans.append(a_span(number, attributes=scored, **place))
            case "event":
                event = Event(start, "gen_ai.evaluation.result", {"gen_ai.evaluation.score.value": 0.5})
                spans.append(a_span(number, events=(event,), **place))
            case "lightning":
                attributes = {"agentlightning.reward.0.name": "style", "agentlightning.reward.0.value": 2}
                spans.append(a_span(number, attributes=attributes, **place))
            case _:
                spans.append(a_span(number, **place))
    return spans


def flaws() -> st.SearchStrategy[dict[str, Any]]:
    """What a call may have besides being whole; mostly nothing."""
    return st.sampled_from(
        [
            {}, {}, {}, {}, {"indexed": True}, {"indexed": True},
            {"status": "Error"}, {"dropped_attributes": 2}, {"prompt": []}, {"sampled": []}, {"sampled": [-1]},
            {"logprobs": [-0.5]}, {"logprobs": [float("nan"), -1.0]}, {"logprobs": None}, {"finish": "length"},
            {"finish": "error"}, {"finish": None}, {"reply": "reply-1"}, {"reply": "reply-1", "scope": "other"},
            {"reply": None}, {"reply": "resp_1"}, {"messages": "{"}, {"messages": '[{"parts":5}]'}, {"messages": "[7]"},
            {"more": {"gen_ai.agent.name": "worker"}}, {"more": {"openinference.span.kind": "LLM"}},
            {"more": {"gen_ai.tool.definitions": '[{"name":"f","parameters":"{"}]'}},
            {"more": {"llm.request.functions.0.parameters": "{"}, "indexed": True},
            {"more": {"gen_ai.completion.1.content": "b"}, "indexed": True}, {"more": {"traceloop.entity.name": "x"}},
            {"more": {"gen_ai.system_instructions": "7"}}, {"ids_as_attributes": True, "indexed": True},
            {"ids_as_attributes": True, "indexed": True, "sampled": [1, True]},
            {"ids_as_attributes": True, "indexed": True, "sampled": [1, 2**40]},
            {"more": {"gen_ai.evaluation.score.value": 0.25}}, {"replies": 2},
        ]
    )  # fmt: skip


@LAW
@given(span_trees(), st.randoms(use_true_random=False), st.lists(st.deferred(lambda: posts()), max_size=2))
def test_random_span_trees_skimmed_are_as_if_read(spans: list[Span], random: Any, posted: list[PostedReward]) -> None:
    shuffled = list(spans)
    random.shuffle(shuffled)
    assert as_skimmed(skim_spans(shuffled, posted)) == as_read(read_rollouts(spans, posted))


def posts() -> st.SearchStrategy[PostedReward]:
    """Rewards given from outside, by rollout, trace, span or reply."""
    return st.sampled_from(
        [
            PostedReward("reward", 1.0, rollout_id="r"),
            PostedReward("reward", 2.0, rollout_id="nobody"),
            PostedReward("reward", 3.0, trace_id="a"),
            PostedReward("reward", 4.0, span_id="s2"),
            PostedReward("reward", 5.0, trace_id="b", span_id="s1"),
            PostedReward("reward", 6.0, response_id="reply-1"),
            PostedReward("reward", 7.0, rollout_id="q", response_id="reply-2"),
        ]
    )


def test_a_span_that_came_twice_or_a_ring_of_parents_is_left_to_reading() -> None:
    twice = [a_call(1), a_call(1, finish="length")]
    ring = [a_span(1, parent_span_id="s2"), a_call(2, parent_span_id="s1")]
    for spans in (twice, ring):
        assert as_skimmed(skim_spans(spans)) == as_read(read_rollouts(spans))


def test_calls_without_a_root_are_stitched_as_reading_does() -> None:
    first = a_call(1, messages=json.dumps([_said("user", "hi")]), reply="reply-1")
    heard = [_said("user", "hi"), _said("assistant", "b"), _said("user", "and?")]
    second = a_call(2, trace_id="b", start=5, messages=json.dumps(heard))
    found = skim_spans([first, second])
    assert as_skimmed(found) == as_read(read_rollouts([first, second]))
    assert len(found) == 1


def _said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def test_one_call_that_needs_reading_leaves_other_rollouts_skimmed() -> None:
    spans = [a_call(1, rollout_id="r", status="Error"), a_call(2, trace_id="b", rollout_id="q")]
    assert [type(one) for one in skim_spans(spans)] == [Rollout, Skimmed]


def a_span(number: int, *, start: int = 0, end: int | None = None, trace_id: str = "a", **more: Any) -> Span:
    return Span(trace_id, f"s{number}", f"span {number}", start, start + 1 if end is None else end, **more)


def a_call(
    number: int,
    *,
    indexed: bool = False,
    ids_as_attributes: bool = False,
    prompt: Sequence[int] = (1, 2),
    sampled: Sequence[int] = (3, 4),
    logprobs: Sequence[float] | None = (-0.5, -0.25),
    finish: str | None = "stop",
    reply: str | None = "",
    scope: str = "opentelemetry.instrumentation.genai.openai",
    messages: str | None = None,
    replies: int = 1,
    more: dict[str, Any] | None = None,
    **place: Any,
) -> Span:
    said = [{"role": "assistant", "parts": [{"type": "text", "content": "b"}], "finish_reason": "stop"}] * replies
    asked = (
        json.dumps([{"role": "user", "parts": [{"type": "text", "content": "a"}]}]) if messages is None else messages
    )
    attributes: dict[str, Any] = {"gen_ai.request.model": "m"}
    if indexed:
        attributes |= {"llm.request.type": "chat", "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "a"}
        attributes |= {"gen_ai.completion.0.content": "b"}
        attributes |= {} if finish is None else {"gen_ai.completion.0.finish_reason": finish}
    else:
        attributes |= {"gen_ai.operation.name": "chat", "gen_ai.input.messages": asked}
        attributes |= {"gen_ai.output.messages": json.dumps(said)}
        attributes |= {} if finish is None else {"gen_ai.response.finish_reasons": [finish]}
    if reply is not None:
        attributes["gen_ai.response.id"] = reply or f"reply-{number}"
    if ids_as_attributes:
        attributes |= {"prompt_token_ids": list(prompt), "response_token_ids": list(sampled)}
        prompt, sampled = (), ()
    return a_span(
        number,
        scope_name=scope,
        attributes={**attributes, **(more or {})},
        prompt_token_ids=list(prompt) or None,
        response_token_ids=list(sampled) or None,
        response_logprobs=list(logprobs) if logprobs else None,
        **place,
    )


def as_read(rollouts: Sequence[Rollout]) -> list[dict[str, Any]]:
    """Rollouts as plain values; of those that skimming would give, without their words."""
    return [_values(rollout) for rollout in rollouts]


def as_skimmed(found: Sequence[Skimmed | Rollout]) -> list[dict[str, Any]]:
    return [_values(one.without_words() if isinstance(one, Skimmed) else one) for one in found]


def _values(rollout: Rollout) -> dict[str, Any]:
    whole = {name: getattr(rollout, name) for name in Rollout.__slots__}
    return whole | {"turns": [_turn(turn) for turn in rollout.turns], "trace_ids": sorted(rollout.trace_ids)}


def _turn(turn: Turn) -> dict[str, Any]:
    values = {name: getattr(turn, name) for name in Turn.__slots__ if name not in WORDS}
    for name in ("prompt_token_ids", "response_token_ids", "response_logprobs"):
        held = values[name]
        values[name] = None if held is None else repr([float(value) for value in held])
    return values | {"failed": turn.status == "error"}
