"""OpenAI's own request and reply bodies (chat, completions, Responses), as some instrumentations record them whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leyden_store.dialects._growing import read_text
from leyden_store.dialects._messages import from_openai, message
from leyden_store.dialects._responses import from_response_item, from_response_items, join_assistant
from leyden_store.dialects._values import Unreadable, integer, integers, listed, mapping, text

Output = tuple[dict[str, Any], str | None]
"""A choice's message and its finish reason as sent."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: messages, tool definitions as sent, every other field as sent."""

    messages: list[dict[str, Any]]
    tools: Any
    params: Mapping[str, Any]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; token ids and logprobs of the first choice where the server gave them."""

    outputs: list[Output] = field(default_factory=list)
    prompt_token_ids: list[int] | None = None
    response_token_ids: list[int] | None = None
    response_logprobs: list[float] | None = None


def read_request(body: Mapping[str, Any]) -> Request:
    """Read a request body. Raises Unreadable where its messages are none."""
    if "messages" in body:
        messages = [message for raw in listed(body["messages"]) for message in _chat_item(raw)]
    elif "prompt" in body:
        prompt = body["prompt"]
        prompts = [prompt] if isinstance(prompt, str) else listed(prompt)
        messages = [message("user", item) for item in prompts if isinstance(item, str)]
    else:
        return _responses_request(from_response_items(body.get("input") or [], "input.value"), body)
    return _request(messages, body)


def read_request_text(text: str) -> Request | None:
    """Read a request body from its JSON text, or None where it holds no list of messages that are OpenAI's."""
    try:
        found = read_text(text, _SHAPE)
    except Unreadable:
        return None
    if found is None:
        return None
    key, body, messages = found
    return _request(messages, body) if key == "messages" else _responses_request(join_assistant(messages), body)


def _chat_item(raw: Any) -> list[dict[str, Any]]:
    return [from_openai(raw, "input.value")]


def _response_item(raw: Any) -> list[dict[str, Any]]:
    return [from_response_item(raw, "input.value")]


def _sure_chat_item(raw: Any) -> list[dict[str, Any]]:
    if "role" not in mapping(raw):
        raise Unreadable("messages", "a message without a role is none of OpenAI's")
    return _chat_item(raw)


_SHAPE = (("messages", _sure_chat_item), ("input", _response_item))


def _request(messages: list[dict[str, Any]], body: Mapping[str, Any], notes: Sequence[str] = ()) -> Request:
    return Request(messages, body.get("tools") or body.get("functions"), body, notes)


def _responses_request(messages: list[dict[str, Any]], body: Mapping[str, Any]) -> Request:
    if instructions := text(body.get("instructions")):
        messages.insert(0, message("system", instructions))
    before = body.get("previous_response_id")
    return _request(messages, body, [f"history before {before} was kept by the server"] if before else ())


def read_reply(body: Mapping[str, Any]) -> Reply | None:
    """Read a reply body, or None when it is none of OpenAI's."""
    choices = body.get("choices")
    if isinstance(choices, list):
        return _chat(body, [mapping(choice) for choice in choices])
    if isinstance(body.get("output"), list) and body.get("object") == "response":
        return Reply(_response(body))
    return None


def _chat(body: Mapping[str, Any], choices: list[Mapping[str, Any]]) -> Reply:
    choices = sorted(choices, key=lambda choice: integer(choice.get("index")) or 0)
    outputs: list[Output] = []
    for at, choice in enumerate(choices):
        if "text" in choice:
            spoken = message("assistant", choice["text"])
        else:
            spoken = from_openai({**mapping(choice.get("message")), "role": "assistant"}, "output.value")
        if at:
            ids, logprobs = _sampled(choice)
            spoken.update({"response_token_ids": ids} if ids else {})
            spoken.update({"response_logprobs": logprobs} if logprobs else {})
        outputs.append((spoken, text(choice.get("finish_reason"))))
    ids, logprobs = _sampled(choices[0]) if choices else (None, None)
    prompt = integers(body.get("prompt_token_ids"))
    if prompt is None and choices:
        prompt = integers(choices[0].get("prompt_token_ids"))
    return Reply(outputs, prompt, ids, logprobs)


def _sampled(choice: Mapping[str, Any]) -> tuple[list[int] | None, list[float] | None]:
    content = mapping(choice.get("logprobs")).get("content") or []
    entries = [mapping(entry) for entry in content]
    logprobs = [float(entry["logprob"]) for entry in entries if isinstance(entry.get("logprob"), int | float)]
    ids = integers(choice.get("token_ids")) or integers([entry.get("token_id") for entry in entries])
    whole = len(logprobs) == len(entries) and (ids is None or len(ids) == len(logprobs))
    return ids, logprobs if logprobs and whole else None


def _response(body: Mapping[str, Any]) -> list[Output]:
    messages = from_response_items(body["output"], "output.value")
    if not messages:
        return []
    spoken = messages[0]
    if spoken.get("tool_calls"):
        return [(spoken, "tool_calls")]
    why = mapping(body.get("incomplete_details")).get("reason")
    return [(spoken, text(why) or text(body.get("status")))]
