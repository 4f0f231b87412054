"""OpenInference (Arize Phoenix): `llm.*` attributes, and the request and reply whole in `input.value`, `output.value`.

Where those two are OpenAI's own JSON they are read: they hold what the flattened attributes lose (ids, exact arguments,
reasoning, token ids, logprobs). Else the flattened attributes are. https://arize-ai.github.io/openinference/spec/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from leyden_store.dialects import _openai_raw as openai_raw
from leyden_store.dialects import _openinference_flat as flat
from leyden_store.dialects._messages import finish_reason
from leyden_store.dialects._tools import params, tools
from leyden_store.dialects._values import Unreadable, first, integer, mapping, parsed_or_none, text
from leyden_store.spans import Attributes, Span
from leyden_store.turns import Call, Usage

NAME = "openinference"


def matches(span: Span) -> bool:
    """A span of kind LLM."""
    return span.attributes.get("openinference.span.kind") == "LLM"


def read(span: Span) -> Call:
    """Read the span. Raises Unreadable where content is broken and stands nowhere else on the span."""
    attributes = span.attributes
    asked = _request(attributes)
    request = asked.params if asked else mapping(parsed_or_none(attributes, "input.value"))
    reply = mapping(parsed_or_none(attributes, "output.value"))
    said = openai_raw.read_reply(reply)
    messages = asked.messages if asked else flat.messages(attributes, "llm.input_messages")
    outputs = said.outputs if said else flat.outputs(attributes)
    if not messages and not asked and _is_broken(attributes, "input.value"):
        raise Unreadable("input.value", "no JSON, and no llm.input_messages beside it")
    invocation = mapping(parsed_or_none(attributes, "llm.invocation_parameters"))
    definitions = (asked.tools if asked else None) or flat.tools(attributes) or invocation.get("tools")
    return Call(
        dialect=NAME,
        messages=messages,
        response=outputs[0][0] if outputs else None,
        choices=[{**spoken, "finish_reason": finish_reason(reason)} for spoken, reason in outputs[1:]],
        tools=tools(definitions, "llm.tools"),
        finish_reason=finish_reason(outputs[0][1]) if outputs and outputs[0][1] else _finish(attributes),
        usage=_usage(attributes),
        params=params({**invocation, **(asked.params if asked else {})}),
        provider=text(first(attributes, "llm.provider", "llm.system")),
        model=text(first(attributes, "llm.model_name")) or text(request.get("model")),
        request_model=text(request.get("model")) or text(invocation.get("model")),
        response_id=response_id(reply),
        session_id=text(attributes.get("session.id")),
        agent=agent(attributes),
        prompt_token_ids=said.prompt_token_ids if said else None,
        response_token_ids=said.response_token_ids if said else None,
        response_logprobs=said.response_logprobs if said else None,
        streamed=request.get("stream") is True or invocation.get("stream") is True,
        notes=_notes(asked, messages),
    )


def _request(attributes: Attributes) -> openai_raw.Request | None:
    """The request where it stands whole and is OpenAI's."""
    value = attributes.get("input.value")
    if not isinstance(value, str):
        request = mapping(value)
        return openai_raw.read_request(request) if _is_openai(request) else None
    asked = openai_raw.read_request_text(value)
    if asked is not None and "model" in asked.params:
        return asked
    request = mapping(parsed_or_none(attributes, "input.value"))
    return openai_raw.read_request(request) if _is_openai(request) else None


def _is_openai(request: Mapping[str, Any]) -> bool:
    """The client's request, not a framework's input of the same look: LangChain nests lists in `messages`."""
    messages = request.get("messages")
    if isinstance(messages, list):
        return "model" in request and all(isinstance(message, dict) and "role" in message for message in messages)
    return "model" in request and ("input" in request or "prompt" in request)


def _is_broken(attributes: Attributes, key: str) -> bool:
    value = attributes.get(key)
    if not isinstance(value, str) or attributes.get(f"{key[:-5]}mime_type") != "application/json":
        return False
    if value == "__REDACTED__":
        return False
    try:
        json.loads(value)
    except ValueError:
        return True
    return False


def _finish(attributes: Attributes) -> str | None:
    return finish_reason(attributes.get("llm.finish_reason"))


def _usage(attributes: Attributes) -> Usage:
    return Usage(
        input=integer(attributes.get("llm.token_count.prompt")),
        output=integer(attributes.get("llm.token_count.completion")),
        reasoning=integer(attributes.get("llm.token_count.completion_details.reasoning")),
        cached=integer(attributes.get("llm.token_count.prompt_details.cache_read")),
    )


def response_id(reply: Mapping[str, Any]) -> str | None:
    """The reply's id: its own, or where LangChain keeps it."""
    if found := text(reply.get("id")):
        return found
    if found := text(mapping(reply.get("llm_output")).get("id")):
        return found
    try:
        return text(reply["generations"][0][0]["message"]["kwargs"]["response_metadata"]["id"])
    except (KeyError, IndexError, TypeError):
        return None


def agent(attributes: Attributes) -> str | None:
    """The agent the call belongs to, as OpenInference names it, or LangChain in its metadata."""
    named = text(attributes.get("agent.name"))
    if named:
        return named
    metadata = attributes.get("metadata")
    if isinstance(metadata, str) and "lc_agent_name" in metadata:
        return text(mapping(parsed_or_none(attributes, "metadata")).get("lc_agent_name"))
    return None


def _notes(asked: openai_raw.Request | None, messages: list[dict[str, Any]]) -> list[str]:
    notes = list(asked.notes) if asked else []
    if not messages:
        notes.append("no content captured")
    return notes
