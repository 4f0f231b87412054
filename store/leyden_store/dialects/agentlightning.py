"""Agent Lightning up to 0.3: what its tracers add to AgentOps', Weave's and LiteLLM's spans.

AgentOps spans carry indexed messages, with `prompt_token_ids`, `response_token_ids` and `logprobs.content` beside them;
Weave's are operations with input and output flattened; LiteLLM's proxy keeps the ids on a `raw_gen_ai_request` span
under the call's own. Facts: https://github.com/microsoft/agent-lightning, v0.3, adapter/triplet.py.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from leyden_store.dialects import _openai_raw as openai_raw
from leyden_store.dialects import genai, traceloop_indexed
from leyden_store.dialects._messages import finish_reason
from leyden_store.dialects._tools import params, tools
from leyden_store.dialects._usage import openai_usage
from leyden_store.dialects._values import integers, listed, mapping, parsed_or_none, text, unflatten_any
from leyden_store.spans import Attributes, Span
from leyden_store.turns import Call

NAME = "agentlightning"

_INPUT = "agentlightning.operation.input"
_OUTPUT = "agentlightning.operation.output"
_PROXY = "llm.hosted_vllm."


def matches(span: Span) -> bool:
    """An LLM span with its token ids, a chat operation, or the raw request of its proxy."""
    attributes = span.attributes
    if "prompt_token_ids" in attributes or "response_token_ids" in attributes:
        return traceloop_indexed.matches(span) or genai.matches(span)
    if f"{_INPUT}.messages.0.role" in attributes:
        return True
    return span.name == "raw_gen_ai_request" and f"{_PROXY}prompt_token_ids" in attributes


def read(span: Span) -> Call:
    """Read the span. Raises Unreadable where content is broken."""
    if f"{_INPUT}.messages.0.role" in span.attributes:
        return _operation(span.attributes)
    if span.name == "raw_gen_ai_request":
        return _proxied(span.attributes)
    indexed = "gen_ai.prompt.0.role" in span.attributes or not genai.matches(span)
    call = traceloop_indexed.read(span) if indexed else genai.read(span)
    return replace(
        call,
        dialect=NAME,
        prompt_token_ids=integers(span.attributes.get("prompt_token_ids")),
        response_token_ids=integers(span.attributes.get("response_token_ids")),
        response_logprobs=_logprobs(parsed_or_none(span.attributes, "logprobs.content")),
    )


def _operation(attributes: Attributes) -> Call:
    request = mapping(unflatten_any(attributes, _INPUT))
    reply = mapping(unflatten_any(attributes, _OUTPUT))
    asked = openai_raw.read_request(request)
    said = openai_raw.read_reply(reply) or openai_raw.Reply()
    choice = mapping(next(iter(listed(reply.get("choices"))), None))
    ids = said.response_token_ids or integers(mapping(choice.get("provider_specific_fields")).get("token_ids"))
    if ids is None and isinstance(reply.get("response_token_ids"), list):
        ids = integers(reply["response_token_ids"]) or integers(reply["response_token_ids"][0])
    return Call(
        dialect=NAME,
        messages=asked.messages,
        response=said.outputs[0][0] if said.outputs else None,
        choices=[{**spoken, "finish_reason": finish_reason(reason)} for spoken, reason in said.outputs[1:]],
        tools=tools(asked.tools, f"{_INPUT}.tools"),
        finish_reason=finish_reason(said.outputs[0][1]) if said.outputs else None,
        usage=openai_usage(mapping(reply.get("usage"))),
        params=params(asked.params),
        model=text(reply.get("model")) or text(request.get("model")),
        request_model=text(request.get("model")),
        response_id=text(reply.get("id")),
        prompt_token_ids=said.prompt_token_ids,
        response_token_ids=ids,
        response_logprobs=said.response_logprobs,
    )


def _proxied(attributes: Attributes) -> Call:
    """Ids alone, under the response's id: folding puts them on the call above."""
    sampled = _literal(attributes, "response_token_ids")
    choices = _literal(attributes, "choices")
    if isinstance(sampled, list) and sampled and isinstance(sampled[0], list):
        sampled = sampled[0]
    if sampled is None and isinstance(choices, list) and choices:
        sampled = mapping(choices[0]).get("token_ids")
    return Call(
        dialect=NAME,
        response_id=text(attributes.get(f"{_PROXY}id")),
        prompt_token_ids=integers(_literal(attributes, "prompt_token_ids")),
        response_token_ids=integers(sampled),
        notes=("no content captured",),
    )


def _literal(attributes: Attributes, name: str) -> Any:
    """The proxy writes values as Python's own text."""
    value = attributes.get(_PROXY + name)
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return None


def _logprobs(content: Any) -> list[float] | None:
    if not isinstance(content, list):
        return None
    found = [mapping(entry).get("logprob") for entry in content]
    numbers = [float(p) for p in found if isinstance(p, int | float)]
    return numbers if numbers and len(numbers) == len(found) else None
