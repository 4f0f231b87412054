"""Reading puts every LLM call in its rollout, with agent, session, rewards and reason, and loses none."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import leyden_store
from leyden_store.dialects import looks_like_llm, recognise
from leyden_store.reading import PostedReward, read_rollouts
from leyden_store.spans import Attributes, Event, Span
from leyden_store.tree import build
from leyden_store.turns import DropReason, Rollout, Turn
from tests.support.capture_golden import CASES, case_spans, read_case


def said(text: str, role: str = "user", **more: Any) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}], **more}])


def chat(span_id: str, parent: str = "", *, start: int = 10, end: int = 20, trace: str = "t", **more: Any) -> Span:
    """An LLM span of the GenAI convention; `more` are Span's fields, `attributes` joins its own."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.id": f"resp-{span_id}",
        "gen_ai.input.messages": said("hi"),
        "gen_ai.output.messages": said("hello", "assistant", finish_reason="stop"),
        **more.pop("attributes", {}),
    }
    return Span(trace, span_id, "chat", start, end, parent, attributes=attributes, **more)


def other(span_id: str, parent: str = "", *, start: int = 0, end: int = 100, trace: str = "t", **more: Any) -> Span:
    return Span(trace, span_id, more.pop("name", "work"), start, end, parent, **more)


def score(value: float, name: str = "reward", **more: str) -> Event:
    return Event(
        50, "gen_ai.evaluation.result", {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": value, **more}
    )


def only(spans: list[Span], *rewards: PostedReward) -> Rollout:
    (rollout,) = read_rollouts(spans, rewards)
    return rollout


def turn(spans: list[Span], *rewards: PostedReward) -> Turn:
    (found,) = only(spans, *rewards).turns
    return found


class TestRollouts:
    def test_spans_of_one_rollout_id_are_one_rollout_across_traces(self) -> None:
        rollout = only([chat("a", rollout_id="r"), chat("b", trace="u", start=5, rollout_id="r")])
        assert (rollout.rollout_id, set(rollout.trace_ids)) == ("r", {"t", "u"})
        assert [(t.span_id, t.turn_index) for t in rollout.turns] == [("b", 0), ("a", 1)]

    def test_a_trace_that_names_no_rollout_is_one(self) -> None:
        assert only([other("root"), chat("a", "root")]).rollout_id == "t"

    def test_a_rollout_named_above_holds_below(self) -> None:
        root = other("root", rollout_id="r", group_id="g", attempt=2, policy_version="7", session_id="s")
        found = turn([root, other("mid", "root"), chat("a", "mid")])
        assert (found.rollout_id, found.group_id, found.attempt) == ("r", "g", 2)
        assert (found.policy_version, found.session_id) == ("7", "s")

    def test_a_rollout_named_anywhere_in_a_trace_holds_where_nothing_else_is_named(self) -> None:
        assert only([chat("a"), other("b", rollout_id="r")]).rollout_id == "r"

    def test_two_rollouts_in_one_trace_stay_apart(self) -> None:
        spans = [other("root"), other("x", "root", rollout_id="x"), other("y", "root", rollout_id="y")]
        rollouts = read_rollouts([*spans, chat("a", "x"), chat("b", "y", start=11)])
        assert [(r.rollout_id, [t.span_id for t in r.turns]) for r in rollouts if r.turns] == [
            ("x", ["a"]),
            ("y", ["b"]),
        ]

    def test_a_trace_with_nothing_to_say_is_no_rollout(self) -> None:
        assert read_rollouts([other("a")]) == []


class TestAgents:
    @pytest.mark.parametrize(
        ("attributes", "name"),
        [
            ({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}, "planner"),
            ({"openinference.span.kind": "AGENT", "agent.name": "planner"}, "planner"),
            ({"openinference.span.kind": "AGENT"}, "work"),
            ({"traceloop.span.kind": "agent", "traceloop.entity.name": "planner"}, "planner"),
        ],
    )
    def test_the_nearest_agent_above_is_the_turns(self, attributes: Attributes, name: str) -> None:
        above = other("root", attributes={"gen_ai.agent.name": "far away"})
        assert turn([above, other("near", "root", attributes=attributes), chat("a", "near")]).agent == name

    def test_depth_counts_the_agents_one_inside_the_other(self) -> None:
        named = {name: {"gen_ai.agent.name": name} for name in ("lead", "helper")}
        spans = [
            other("root"),
            other("lead", "root", attributes=named["lead"]),
            other("again", "lead", attributes=named["lead"]),
            other("helper", "again", attributes=named["helper"]),
        ]
        calls = [chat(f"under-{above.span_id}", above.span_id, start=i) for i, above in enumerate(spans)]
        assert [(t.agent, t.depth) for t in only([*spans, *calls]).turns] == [
            (None, 0),
            ("lead", 1),
            ("lead", 1),
            ("helper", 2),
        ]

    def test_an_agent_span_with_summed_usage_is_no_turn(self) -> None:
        summed = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 99, "gen_ai.request.model": "m"}
        assert only([other("root", attributes=summed), chat("a", "root")]).llm_spans == 1


class TestDoubles:
    def test_a_call_recorded_by_framework_and_client_is_one_turn(self) -> None:
        same = {"gen_ai.response.id": "resp-1"}
        rough = {**same, "gen_ai.output.messages": said("rough", "assistant")}
        outer = chat("outer", "root", start=1, end=50, scope_name="framework", attributes=rough)
        inner = chat("inner", "outer", scope_name="client", attributes=same)
        rollout = only([other("root", attributes={"gen_ai.agent.name": "planner"}), outer, inner])
        (found,) = rollout.turns
        assert (found.span_id, found.parent_span_id, found.agent) == ("outer", "root", "planner")
        assert found.response == {"role": "assistant", "content": "hello"}
        assert [(d.span_id, d.reason) for d in rollout.dropped] == [("inner", DropReason.DOUBLED)]

    def test_a_double_in_another_trace_joins_the_outers_rollout(self) -> None:
        same = {"gen_ai.response.id": "resp-1"}
        outer = chat("outer", start=1, end=50, scope_name="framework", attributes=same, rollout_id="r")
        inner = chat("inner", trace="u", scope_name="client", attributes=same)
        rollout = only([outer, inner])
        assert (rollout.rollout_id, set(rollout.trace_ids), len(rollout.turns), rollout.llm_spans) == (
            "r",
            {"t", "u"},
            1,
            2,
        )

    def test_one_response_id_given_to_many_calls_is_no_double(self) -> None:
        same = {"gen_ai.response.id": "constant"}
        spans = [chat(f"s{i}", trace=f"t{i}", scope_name="client", attributes=same) for i in range(3)]
        assert [len(rollout.turns) for rollout in read_rollouts(spans)] == [1, 1, 1]

    def test_doubles_without_an_id_are_folded_when_one_is_above_the_other(self) -> None:
        failed = {"gen_ai.response.id": "", "gen_ai.output.messages": ""}
        spans = [chat("a", attributes=failed, status="Error"), chat("b", "a", attributes=failed, status="Error")]
        assert [(t.span_id, t.status) for t in only(spans).turns] == [("a", "error")]

    def test_token_ids_of_any_of_the_doubles_are_the_turns(self) -> None:
        same = {"gen_ai.response.id": "resp-1"}
        outer = chat("a", end=50, scope_name="f", attributes=same, response_token_ids=[1, 2], prompt_token_ids=[0])
        found = turn([outer, chat("b", "a", scope_name="c", attributes=same)])
        assert (found.prompt_token_ids, found.response_token_ids) == ([0], [1, 2])


class TestFaults:
    def test_broken_content_is_dropped_with_the_attribute_that_is_broken(self) -> None:
        (dropped,) = only([chat("a", attributes={"gen_ai.input.messages": "[{"})]).dropped
        assert dropped.reason is DropReason.UNREADABLE
        assert dropped.detail.startswith("gen_ai.input.messages: no JSON")

    def test_a_call_no_dialect_knows_is_counted(self) -> None:
        strange = other("a", name="LLM", attributes={"llm.model_name": "m"}, scope_name="my.own")
        (dropped,) = only([strange]).dropped
        assert (dropped.reason, dropped.detail) == (DropReason.UNKNOWN_DIALECT, "scope my.own, span LLM")

    def test_a_call_without_any_reply_is_an_error_with_a_note(self) -> None:
        found = turn([chat("a", attributes={"gen_ai.output.messages": said("", "assistant")})])
        assert (found.status, found.response, found.notes) == ("error", None, ["no reply recorded"])

    def test_a_span_that_lost_attributes_says_so(self) -> None:
        found = turn([chat("a", dropped_attributes=3)])
        assert found.dropped_attributes == 3
        assert found.notes == ["3 attributes evicted by the SDK's limit"]

    def test_logprobs_that_do_not_fit_the_ids_are_left_out_and_noted(self) -> None:
        found = turn([chat("a", response_token_ids=[1, 2], response_logprobs=[-0.5])])
        assert found.response_logprobs is None
        assert found.notes == ["1 logprobs for 2 response ids: logprobs left out"]

    def test_a_span_sent_twice_is_one_turn(self) -> None:
        assert only([chat("a"), chat("a")]).llm_spans == 1


class TestRewards:
    def test_on_a_root_it_is_the_rollouts(self) -> None:
        rollout = only([other("root", events=(score(0.5),)), chat("a", "root")])
        assert rollout.reward() == 0.5
        assert rollout.turns[0].rewards == {}

    def test_on_an_llm_span_it_is_the_turns(self) -> None:
        assert turn([chat("a", events=(score(1, "format"),))]).rewards == {"format": 1.0}

    def test_naming_a_response_it_is_that_turns(self) -> None:
        root = other("root", events=(score(1, **{"gen_ai.response.id": "resp-b"}),))
        rollout = only([root, chat("a", "root"), chat("b", "root", start=11)])
        assert [t.rewards for t in rollout.turns] == [{}, {"reward": 1.0}]
        assert rollout.rewards == ()

    def test_a_span_of_its_own_under_an_llm_span_is_that_turns(self) -> None:
        attributes = {"gen_ai.evaluation.name": "judge", "gen_ai.evaluation.score.value": 0.25}
        judged = other("j", "a", name="gen_ai.evaluation.result", attributes=attributes)
        assert turn([chat("a"), judged]).rewards == {"judge": 0.25}

    def test_each_says_what_it_hangs_under(self) -> None:
        scored = {"gen_ai.evaluation.score.value": 0.5}
        spans = [
            other("root", events=(score(1, "event"),)),
            other("step", "root"),
            other("judge", "step", attributes={**scored, "gen_ai.evaluation.name": "span"}),
        ]
        posted = [PostedReward("on step", 1.0, trace_id="t", span_id="step"), PostedReward("on t", 1.0, trace_id="t")]
        assert {r.name: r.parent_span_id for r in only([*spans, chat("a", "step")], *posted).rewards} == {
            "event": "root",
            "span": "step",
            "on step": "step",
            "on t": "",
        }

    def test_agent_lightnings_attributes_are_read(self) -> None:
        attributes = {
            "agentlightning.reward.0.name": "primary",
            "agentlightning.reward.0.value": 1.0,
            "agentlightning.reward.1.name": "style",
            "agentlightning.reward.1.value": 0.5,
        }
        rollout = only([other("root", attributes=attributes), chat("a", "root")])
        assert {r.name: r.value for r in rollout.rewards} == {"primary": 1.0, "style": 0.5}

    def test_the_newest_of_a_name_wins_and_a_missing_one_is_never_zero(self) -> None:
        late = Event(60, "gen_ai.evaluation.result", {"gen_ai.evaluation.score.value": 0.9})
        rollout = only([other("root", events=(late, score(0.1)))])
        assert rollout.reward() == 0.9
        assert rollout.reward("other") is None
        unscored = Event(1, "gen_ai.evaluation.result", {"gen_ai.evaluation.score.label": "good"})
        assert only([other("root", events=(unscored,)), chat("a", "root")]).reward() is None

    @pytest.mark.parametrize(
        "posted",
        [
            PostedReward("reward", 1.0, rollout_id="r"),
            PostedReward("reward", 1.0, trace_id="t", span_id="root"),
            PostedReward("reward", 1.0, rollout_id="r", response_id="unheard of"),
        ],
    )
    def test_one_posted_from_outside_goes_to_the_rollout_it_names(self, posted: PostedReward) -> None:
        rollout = only([other("root", rollout_id="r"), chat("a", "root")], posted)
        assert rollout.reward() == 1.0
        assert rollout.rewards[0].source == "api"

    def test_one_posted_to_a_trace_goes_to_its_rollout(self) -> None:
        assert only([other("root", rollout_id="r")], PostedReward("reward", 1.0, trace_id="t")).reward() == 1.0

    @pytest.mark.parametrize(
        "posted",
        [
            PostedReward("reward", 1.0, span_id="a"),
            PostedReward("reward", 1.0, trace_id="t", span_id="a"),
            PostedReward("reward", 1.0, rollout_id="r", response_id="resp-a"),
        ],
    )
    def test_one_posted_to_a_call_is_the_turns(self, posted: PostedReward) -> None:
        rollout = only([other("root", rollout_id="r"), chat("a", "root")], posted)
        assert rollout.turns[0].rewards == {"reward": 1.0}
        assert rollout.rewards == ()

    def test_one_posted_to_an_inner_double_is_the_turns(self) -> None:
        same = {"gen_ai.response.id": "resp-1"}
        spans = [chat("a", end=50, attributes=same), chat("b", "a", attributes=same)]
        assert turn(spans, PostedReward("reward", 1.0, trace_id="t", span_id="b")).rewards == {"reward": 1.0}


def test_responses_api_calls_get_the_ids_later_calls_tell() -> None:
    calls = [
        call["id"]
        for rollout in read_case(CASES / "traceloop-responses-parallel")
        for found in rollout.turns
        for call in (found.response or {}).get("tool_calls", ())
    ]
    assert calls == ["call_a", "call_b"]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"call_1": '{"a":  1}'}, '{"a":  1}'),
        ({"call_1": '{"a":  2}'}, '{"a": 1}'),
        ({"call_2": '{"a":  1}'}, '{"a": 1}'),
        ("broken", '{"a": 1}'),
    ],
)
def test_arguments_told_to_the_letter_are_the_replys_where_they_say_the_same(told: Any, expected: str) -> None:
    part = {"type": "tool_call", "id": "call_1", "name": "look", "arguments": {"a": 1}}
    reply = json.dumps([{"role": "assistant", "parts": [part], "finish_reason": "tool_call"}])
    attributes = {"gen_ai.output.messages": reply, "leyden.tool_call_arguments": json.dumps(told)}
    response = turn([chat("a", attributes=attributes)]).response
    assert response is not None
    assert [call["function"]["arguments"] for call in response["tool_calls"]] == [expected]


def test_only_keeps_the_chosen_spans() -> None:
    rollout = only([other("root"), chat("a", "root"), chat("b", "root")])
    assert [t.span_id for t in rollout.only({("t", "b")}).turns] == ["b"]


def keys_the_reader_knows() -> list[str]:
    """Every attribute named in the source of the dialects and of what places turns: a new one is tried by itself."""
    home = Path(leyden_store.__file__).parent
    sources = [*home.glob("dialects/*.py"), home / "_turn.py", home / "_placing.py", home / "_rewards.py"]
    texts = {
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    dotted = {text for text in texts if re.fullmatch(r"[A-Za-z_]+(\.\w+)+\.?", text)}
    return sorted(dotted | {"events", "request_data", "response_data", "prompt_token_ids", "response_token_ids"})


KEYS = keys_the_reader_knows()
GOOD = [f"{name}-toolloop" for name in ("genai", "openinference", "traceloop", "traceloop-indexed", "leyden")]
MARKS: list[dict[str, Any]] = [
    {},
    {"gen_ai.operation.name": "chat"},
    {"gen_ai.operation.name": "chat", "response_token_ids": [1]},
    {"openinference.span.kind": "LLM"},
    {"llm.request.type": "chat"},
    {"gen_ai.prompt.0.role": "user"},
    {"ai.operationId": "ai.generateText.doGenerate"},
    {"langfuse.observation.type": "generation"},
    {"mlflow.spanType": '"LLM"'},
    {"agentlightning.operation.input.messages.0.role": "user"},
    {"llm.model_name": "unheard of"},
]
"""What makes a span an LLM call of each dialect, and of none."""

SCOPES = [
    "",
    "openinference.x",
    "opentelemetry.instrumentation.openai.v1",
    "pydantic-ai",
    "logfire.openai",
    "langfuse-sdk",
]
SUFFIXES = [
    "",
    "",
    "",
    ".0",
    ".0.role",
    ".0.content",
    ".0.message.content",
    ".0.tool_calls.0.id",
    ".1.message",
    ".a.0.b",
]
WORDS = [
    "role", "parts", "type", "content", "choices", "messages", "model", "id", "text", "tool_calls", "function", "name",
    "arguments", "message", "index", "logprobs", "token_ids", "input", "output", "usage", "prompt", "tools",
    "image_url", "source", "summary", "call_id", "refusal", "reasoning", "generations",
    "event.name", "extra_body", "inputSchema",
]  # fmt: skip
TYPES = [
    "text",
    "tool_call",
    "tool_call_response",
    "reasoning",
    "image_url",
    "blob",
    "uri",
    "file",
    "function_call",
    "user",
]
leaves = st.sampled_from(["", "x", "[{", "9" * 5000, None, True, 0, -1, 2**63 - 1, 2.5, float("nan"), *TYPES])
json_values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=8,
)
attribute_values = json_values | json_values.map(json.dumps) | json_values.map(lambda v: json.dumps(v)[:-1])
anything = attribute_values | st.sampled_from([b"", b"\xff{", [b"\xff"], {"content": b"\xff"}])
keys = st.builds(lambda key, suffix: key.rstrip(".") + suffix, st.sampled_from(KEYS), st.sampled_from(SUFFIXES))
attributes = st.builds(
    lambda mark, more: {**more, **mark}, st.sampled_from(MARKS), st.dictionaries(keys, anything, max_size=6)
)
event_names = st.sampled_from(["gen_ai.user.message", "gen_ai.choice", "gen_ai.evaluation.result", "exception"])
events = st.builds(
    Event, st.just(1), event_names, st.dictionaries(st.sampled_from([*WORDS, *KEYS]), anything, max_size=3)
)
span_ids = st.sampled_from("abcde")
garbage = st.builds(
    Span,
    trace_id=st.sampled_from("tu"),
    span_id=span_ids,
    name=st.sampled_from(["x", "openai.chat", "openai.response", "raw_gen_ai_request"]),
    start_ns=st.integers(0, 3),
    end_ns=st.integers(0, 3),
    parent_span_id=st.just("") | span_ids,
    scope_name=st.sampled_from(SCOPES),
    attributes=attributes,
    events=st.lists(events, max_size=2).map(tuple),
    rollout_id=st.sampled_from(["", "", "r", "s"]),
)


@settings(deadline=None)
@given(st.lists(garbage, max_size=8))
def test_every_llm_span_is_a_turn_or_a_drop_whatever_was_sent(spans: list[Span]) -> None:
    rollouts = read_rollouts(spans)
    distinct = build(spans).spans
    llm = sorted((s.trace_id, s.span_id) for s in distinct if recognise(s) or looks_like_llm(s))
    counted = [(turn.trace_id, turn.span_id) for rollout in rollouts for turn in rollout.turns]
    counted += [(drop.trace_id, drop.span_id) for rollout in rollouts for drop in rollout.dropped]
    assert sorted(counted) == llm
    assert sum(rollout.llm_spans for rollout in rollouts) == len(llm)
    for rollout in rollouts:
        json.dumps([found.to_json() for found in rollout.turns])


@settings(deadline=None)
@given(st.lists(garbage, max_size=6), st.randoms())
def test_reading_does_not_depend_on_the_order_of_the_spans(spans: list[Span], chance: Any) -> None:
    before = read_rollouts(spans)
    chance.shuffle(spans)
    assert repr(read_rollouts(spans)) == repr(before)


@settings(deadline=None)
@given(st.lists(garbage, max_size=6), st.lists(st.integers(0, 5), max_size=4))
def test_spans_sent_again_change_nothing(spans: list[Span], again: list[int]) -> None:
    repeated = [spans[at] for at in again if at < len(spans)]
    assert repr(read_rollouts([*spans, *repeated])) == repr(read_rollouts(spans))


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=8), anything, max_size=4), st.sampled_from(GOOD))
def test_attributes_nobody_knows_lose_no_turn(unknown: dict[str, Any], case: str) -> None:
    spans = case_spans(CASES / case)
    strange = [replace(span, attributes={**unknown, **span.attributes}) for span in spans]
    assert [t.messages for r in read_rollouts(strange) for t in r.turns] == [
        t.messages for r in read_rollouts(spans) for t in r.turns
    ]
