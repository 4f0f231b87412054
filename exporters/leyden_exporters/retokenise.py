"""Token ids made afterwards, by a tokenizer and its chat template, for turns whose server gave none.

They need not be what the policy sampled: one text has several tokenisations. So their rows say `retokenised`, they have
no logprobs, and reinforcement learning refuses them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from leyden_exporters.conversations import reply
from leyden_exporters.options import Retokenise
from leyden_exporters.transitions import unsaid
from leyden_store.turns import Message, Turn


class ChatTokenizer(Protocol):
    """As much of a `transformers` tokenizer as is needed."""

    eos_token_id: int | None
    apply_chat_template: Callable[..., Any]


def retokeniser(tokenizer: ChatTokenizer) -> Retokenise:
    """A turn's prompt ids and response ids by the tokenizer's chat template; None where the template cannot tell them.

    The response is what the template adds to the prompt for the reply, up to and with the last end-of-turn token. Where
    a template words the history otherwise once a reply follows, there is no telling, and None.
    """

    def retokenise(turn: Turn) -> tuple[Sequence[int], Sequence[int]] | None:
        if unsaid(turn) is not None:
            return None
        messages = [_templated(message) for message in turn.messages]
        tools = [dict(tool) for tool in turn.tools] or None
        prompt = _ids(tokenizer, messages, tools, prompting=True)
        whole = _ids(tokenizer, [*messages, _templated(reply(turn))], tools, prompting=False)
        if prompt is None or whole is None or whole[: len(prompt)] != prompt:
            return None
        response = whole[len(prompt) :]
        ends = [place for place, token in enumerate(response, start=1) if token == tokenizer.eos_token_id]
        return prompt, response[: ends[-1]] if ends else response

    return retokenise


def _ids(
    tokenizer: ChatTokenizer, messages: list[dict[str, Any]], tools: list[Any] | None, *, prompting: bool
) -> list[int] | None:
    try:
        made = tokenizer.apply_chat_template(
            messages, tools=tools, add_generation_prompt=prompting, tokenize=True, return_dict=False
        )
    except Exception:  # A template is a program of its own, and may refuse a conversation in any way.
        return None
    return [int(token) for token in made]


def _templated(message: Message) -> dict[str, Any]:
    """The message as templates take it: text for an absent content, and arguments as an object."""
    made = {**message, "content": message.get("content") or ""}
    if message.get("tool_calls"):
        made["tool_calls"] = [{**call, "function": _parsed(call.get("function") or {})} for call in made["tool_calls"]]
    return made


def _parsed(function: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {**function, "arguments": json.loads(function["arguments"])}
    except (KeyError, TypeError, ValueError):
        return dict(function)
