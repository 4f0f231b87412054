"""The promise of the dialects: one conversation gives equal turns, whichever instrumentation recorded it.

Where a capture truly lacks something, `LOSSES` says what and why; a loss that no longer shows fails too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.capture_golden import CASES, read_case

REFERENCE = "openinference"
"""It keeps request and reply whole, so it is what the others are measured by."""

OTHERS = ("genai", "genai-events", "traceloop", "default")
SCENARIOS = sorted(path.name.removeprefix(f"{REFERENCE}-") for path in CASES.glob(f"{REFERENCE}-*"))

View = dict[str, Any]


@dataclass(frozen=True)
class Loss:
    """What one instrumentation does not record, in some scenarios; `forget` takes it out of a turn's view."""

    instrumentation: str
    scenarios: frozenset[str]
    forget: Callable[[View], None]
    reason: str


def _usage_reasoning(turn: View) -> None:
    turn["usage"]["reasoning"] = None


def _names(turn: View) -> None:
    for message in turn["messages"]:
        message.pop("name", None)


def _reasoning(turn: View) -> None:
    turn["response"].pop("reasoning_content", None)


def _refusal_kind(turn: View) -> None:
    for message in [*turn["messages"], turn["response"]]:
        message["content"] = message.pop("refusal", None) or message["content"]


def _refusal(turn: View) -> None:
    for message in turn["messages"]:
        if message.pop("refusal", None):
            message["content"] = ""


def _response(turn: View) -> None:
    turn["response"] = None


def _image_detail(turn: View) -> None:
    for message in turn["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else ():
            part.get("image_url", {}).pop("detail", None)


def _messages(turn: View) -> None:
    turn["messages"] = []


def _call_ids(turn: View) -> None:
    for call in turn["response"].get("tool_calls", ()):
        call["id"] = ""


def _reply(turn: View) -> None:
    turn.update(response=None, finish_reason=None, usage=None, model=None, status=None)


def _legacy_call(turn: View) -> None:
    turn["response"], turn["tools"] = None, []


LOSSES = (
    Loss(
        "traceloop",
        frozenset(
            {"stream", "langgraph", "async", "completions", "stream-parallel", "stream-text-and-call"}
            | {"stream-reasoning", "stream-refusal", "stream-choices"}
        ),
        _usage_reasoning,
        "reasoning tokens are recorded for plain, unstreamed chat and the Responses API alone",
    ),
    Loss("traceloop", frozenset({"langgraph", "history"}), _names, "a message's name is not recorded"),
    Loss(
        "genai",
        frozenset({"reasoning", "stream-reasoning", "responses-reasoning"}),
        _reasoning,
        "reasoning is not recorded",
    ),
    Loss(
        "genai",
        frozenset({"refusal", "stream-refusal", "responses-refusal", "history"}),
        _refusal_kind,
        "a refusal is recorded as text",
    ),
    Loss("traceloop", frozenset({"history"}), _refusal, "a refusal in the history is not recorded"),
    Loss(
        "traceloop",
        frozenset({"stream-refusal", "responses-refusal"}),
        _response,
        "a refusal that was streamed, or came from the Responses API, is not recorded",
    ),
    Loss(
        "genai", frozenset({"image-url", "image-inline", "responses-history"}), _image_detail, "detail is not recorded"
    ),
    Loss("traceloop", frozenset({"image-url", "responses-history"}), _image_detail, "detail is not recorded"),
    Loss(
        "traceloop",
        frozenset({"image-inline"}),
        _messages,
        "a message with inline image data makes it record no message at all, unless it is given an upload function",
    ),
    Loss(
        "traceloop",
        frozenset({"responses-stream"}),
        _call_ids,
        "the call's id is not recorded, only the item's, until a result names it in a later call",
    ),
    Loss(
        "traceloop",
        frozenset({"raw-stream"}),
        _reply,
        "the reply of a stream that is taken as a raw response goes by unseen",
    ),
    Loss(
        "default",
        frozenset({"completions"}),
        _usage_reasoning,
        "the legacy completions API is recorded by OpenLLMetry, without reasoning tokens",
    ),
    Loss("default", frozenset({"responses-history"}), _image_detail, "detail is not recorded"),
    Loss("genai", frozenset({"function-call"}), _legacy_call, "the function_call of old is not recorded"),
)

UNRECORDED = {
    ("genai", "completions"): "the legacy completions API is not instrumented",
    ("traceloop", "responses-length"): "a reply of the Responses API that is incomplete makes no span",
}


def views(instrumentation: str, scenario: str) -> list[View]:
    """The turns of a case, each as what must be equal, tool arguments parsed."""
    turns = [turn for rollout in read_case(CASES / f"{instrumentation}-{scenario}") for turn in rollout.turns]
    turns.sort(key=lambda turn: turn.start_ns)
    keys = (
        "messages",
        "response",
        "choices",
        "tools",
        "finish_reason",
        "usage",
        "model",
        "provider",
        "status",
        "error",
    )
    return [_parsed({key: turn.to_json()[key] for key in keys}) for turn in turns]


def _parsed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _arguments(item) if key == "arguments" else _parsed(item) for key, item in value.items()}
    return [_parsed(item) for item in value] if isinstance(value, list) else value


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _forgotten(turns: list[View], losses: list[Loss]) -> list[View]:
    turns = json.loads(json.dumps(turns))
    for turn in turns:
        for loss in losses:
            loss.forget(turn)
    return turns


def _losses(instrumentation: str, scenario: str) -> list[Loss]:
    return [loss for loss in LOSSES if loss.instrumentation == instrumentation and scenario in loss.scenarios]


@pytest.mark.parametrize(
    ("instrumentation", "scenario"),
    [(other, scenario) for other in OTHERS for scenario in SCENARIOS if (CASES / f"{other}-{scenario}").exists()],
)
def test_one_conversation_gives_equal_turns_under_every_instrumentation(instrumentation: str, scenario: str) -> None:
    theirs = views(instrumentation, scenario)
    if (instrumentation, scenario) in UNRECORDED:
        assert theirs == []
        return
    losses = _losses(instrumentation, scenario)
    assert _forgotten(theirs, losses) == _forgotten(views(REFERENCE, scenario), losses)


@pytest.mark.parametrize(
    ("loss", "scenario"),
    [(loss, scenario) for loss in LOSSES for scenario in sorted(loss.scenarios)],
    ids=lambda value: value if isinstance(value, str) else f"{value.instrumentation}-{value.forget.__name__}",
)
def test_no_loss_is_excused_that_is_none(loss: Loss, scenario: str) -> None:
    others = [other for other in _losses(loss.instrumentation, scenario) if other is not loss]
    theirs, ours = views(loss.instrumentation, scenario), views(REFERENCE, scenario)
    assert _forgotten(theirs, others) != _forgotten(ours, others), loss.reason


def test_only_openinference_keeps_token_ids_a_plain_server_sent() -> None:
    (*_, last) = [turn for rollout in read_case(CASES / "openinference-vllm") for turn in rollout.turns]
    assert last.response_token_ids is not None
    assert last.response_logprobs is not None
    assert len(last.response_token_ids) == len(last.response_logprobs) == last.usage.output
    assert last.prompt_token_ids is not None
    assert len(last.prompt_token_ids) == last.usage.input
    for instrumentation in ("genai", "traceloop"):
        turns = [t for rollout in read_case(CASES / f"{instrumentation}-vllm") for t in rollout.turns]
        assert all(turn.response_token_ids is None for turn in turns)


OLDER = {
    "events": ("toolloop",),
    "leyden": ("toolloop",),
    "langfuse3": ("parallel", "stream-no-usage"),
    "langfuse5": ("parallel", "choices", "responses-parallel", "responses-reasoning"),
    "logfire3": ("parallel", "stream-parallel"),
    "logfire4": ("stream-parallel", "choices", "completions", "responses-reasoning", "responses-stream"),
    "mlflow3": ("stream-parallel", "stream-reasoning"),
    "openaiv2": ("parallel", "stream-parallel"),
    "openinference020": ("parallel", "responses-parallel"),
    "openinference041": ("parallel", "reasoning"),
    "traceloop-indexed": ("toolloop",),
    "traceloop040": ("parallel",),
    "traceloop047": ("parallel", "responses-reasoning"),
    "traceloop052": ("completions", "responses-reasoning"),
}
"""Instrumentations of other makers and ages: an older OpenInference, Langfuse 3 and so on."""


@pytest.mark.parametrize(
    ("case", "scenario"), [(case, scenario) for case, found in OLDER.items() for scenario in found]
)
def test_other_makers_and_ages_tell_the_same_conversation(case: str, scenario: str) -> None:
    def told(name: str) -> list[View]:
        return [{"messages": view["messages"], "response": view["response"]} for view in views(name, scenario)]

    assert told(case) == told(REFERENCE)


@pytest.mark.parametrize(
    ("case", "notes"),
    [
        ("langfuse5-choices", ["finish reason not captured", "reasoning counted, its text not captured"]),
        ("logfire4-choices", ["the first of 3 choices captured", "reasoning counted, its text not captured"]),
        ("traceloop-responses-stream", ["a tool call's own id not captured, only its item's"]),
        ("traceloop-image-inline", ["no content captured"]),
        ("logfire3-parallel", ["reasoning counted, its text not captured"]),
    ],
)
def test_what_a_capture_lost_is_noted_on_the_turn(case: str, notes: list[str]) -> None:
    first = read_case(CASES / case)[0].turns[0]
    assert [note for note in notes if note not in first.notes] == []
