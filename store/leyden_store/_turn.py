"""One turn, put together from the spans that record the call and the place it stands in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leyden_store._doubles import Read
from leyden_store._exact_arguments import ATTRIBUTE, to_the_letter
from leyden_store._placing import Place
from leyden_store.dialects._tool_ids import rename_tool_calls
from leyden_store.dialects._values import integers, text
from leyden_store.spans import AttributeValue, Span
from leyden_store.turns import Call, Message, Turn


def make_turn(
    group: Sequence[Read],
    place: Place,
    turn_index: int,
    *,
    rollout_id: str,
    group_id: str,
    attempt: int | None,
    rewards: Mapping[str, float],
    tool_ids: Mapping[str, str],
    note: str | None = None,
) -> Turn:
    """Make the turn of one call: in the place of the outermost span, with the words of the innermost.

    group:    every read of the call, outermost first
    tool_ids: ids to give the response's tool calls, by the id they were captured with
    note:     what there is to say of the turn's trace
    """
    outer = group[0].span
    inward = group[::-1]
    told = inward[0]
    if not told.call.messages:
        told = next((read for read in inward if read.call.messages), told)
    call, span = told.call, told.span
    notes = [*call.notes, note] if note else list(call.notes)
    response, status = call.response, _status(inward)
    if call.finish_reason is None and not call.usage.output and call.messages:
        response = None if _says_nothing(response) else response
        if status != "error" and not call.unseen and (response is None or call.streamed):
            notes.append("no reply recorded" if response is None else "the stream was abandoned: no finish reason")
            status = "error"
    if status == "unset" and (response or call.finish_reason or call.usage.output):
        status = "ok"
    if span.dropped_attributes:
        notes.append(f"{span.dropped_attributes} attributes evicted by the SDK's limit")
    if response and response.get("tool_calls"):
        exact: AttributeValue = None
        for read in inward:
            exact = exact or read.span.attributes.get(ATTRIBUTE)
        response = to_the_letter(response, exact) if exact else response
    if response and tool_ids and response.get("tool_calls"):
        response = rename_tool_calls(response, tool_ids)
    if response and status != "error":
        notes += _unsaid(call, response)
    prompt, sampled, logprobs = _tokens(inward, notes)
    agent, session, policy_version = place.agent, place.session, place.policy_version
    for read in group:
        agent = agent or read.call.agent
        session = session or read.call.session_id or ""
    for read in inward:
        policy_version = policy_version or read.span.policy_version
    return Turn(
        trace_id=outer.trace_id,
        span_id=outer.span_id,
        parent_span_id=outer.parent_span_id,
        rollout_id=rollout_id,
        group_id=place.group or group_id,
        attempt=attempt if place.attempt is None else place.attempt,
        session_id=session,
        turn_index=turn_index,
        agent=agent,
        dialect=call.dialect,
        provider=call.provider,
        model=call.model,
        messages=call.messages,
        response=response,
        tools=call.tools,
        finish_reason=call.finish_reason,
        usage=call.usage,
        cost=_cost(inward),
        params=call.params,
        start_ns=outer.start_ns,
        end_ns=outer.end_ns,
        status=status,
        rewards=rewards,
        policy_version=policy_version,
        prompt_token_ids=prompt,
        response_token_ids=sampled,
        response_logprobs=logprobs,
        response_id=call.response_id,
        choices=_choices(call, span),
        error=_error(inward) if status == "error" else None,
        dropped_attributes=span.dropped_attributes,
        notes=notes,
        depth=place.depth or int(agent is not None),
    )


def _unsaid(call: Call, response: Message) -> list[str]:
    """What a reply that was captured does not say, though there was something to say."""
    notes = []
    if call.finish_reason is None:
        notes.append("finish reason not captured")
    if call.usage.reasoning and not response.get("reasoning_content"):
        notes.append("reasoning counted, its text not captured")
    calls = response.get("tool_calls")
    if calls and any(str(tool.get("id")).startswith("fc_") for tool in calls):
        notes.append("a tool call's own id not captured, only its item's")
    return notes


def _status(inward: Sequence[Read]) -> str:
    for read in inward:
        if read.span.status != "Unset":
            return read.span.status.lower()
    return "unset"


def _says_nothing(response: Message | None) -> bool:
    if response is None:
        return True
    return not any(response.get(key) for key in ("content", "tool_calls", "refusal", "reasoning_content"))


def _tokens(
    inward: Sequence[Read], notes: list[str]
) -> tuple[Sequence[int] | None, Sequence[int] | None, Sequence[float] | None]:
    """Prompt ids, response ids and logprobs, together from the innermost span that has response ids."""
    for read in inward:
        span, call = read.span, read.call
        sampled = span.response_token_ids or call.response_token_ids
        if sampled:
            logprobs = span.response_logprobs or call.response_logprobs
            if logprobs and len(logprobs) != len(sampled):
                notes.append(f"{len(logprobs)} logprobs for {len(sampled)} response ids: logprobs left out")
                logprobs = None
            return span.prompt_token_ids or call.prompt_token_ids, sampled, logprobs
    prompt = logprobs = None
    for read in inward:
        span, call = read.span, read.call
        prompt = prompt or span.prompt_token_ids or call.prompt_token_ids
        logprobs = logprobs or span.response_logprobs or call.response_logprobs
    return prompt or None, None, logprobs or None


def _choices(call: Call, span: Span) -> list[Message]:
    """The further choices, with the token ids the span carries for each."""
    choices: list[Message] = []
    for index, choice in enumerate(call.choices, start=1):
        extra: dict[str, Any] = {}
        if ids := integers(span.attributes.get(f"leyden.choice.{index}.response_token_ids")):
            extra["response_token_ids"] = ids
        if logprobs := span.attributes.get(f"leyden.choice.{index}.response_logprobs"):
            extra["response_logprobs"] = logprobs
        choices.append({**choice, **extra})
    return choices


def _cost(inward: Sequence[Read]) -> float | None:
    for read in inward:
        for key in ("leyden.cost", "gen_ai.usage.cost", "llm.cost.total"):
            value = read.span.attributes.get(key)
            if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value)
    return None


def _error(inward: Sequence[Read]) -> str | None:
    """`Type: message`, the type without its module, so that all instrumentations say the same."""
    for read in inward:
        span = read.span
        exception = next((event.attributes for event in span.events if event.name == "exception"), {})
        kind = text(exception.get("exception.type")) or text(span.attributes.get("error.type"))
        said = text(exception.get("exception.message")) or span.status_message
        if kind or said:
            return ": ".join(part for part in (kind and kind.rpartition(".")[2], said) if part)
    return None
