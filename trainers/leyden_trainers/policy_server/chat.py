"""Between chat messages and token ids: the model's own chat template one way, its own reply format the other."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from leyden_trainers.errors import RequestUnsupported
from leyden_trainers.policy_server import tool_calls

Message = Mapping[str, Any]


class ChatFormat:
    """Prompts and replies of one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, end_ids: frozenset[int]) -> None:
        """`end_ids` end a turn: they belong to the reply's ids, not to its text."""
        self.tokenizer = tokenizer
        self.end_ids = end_ids

    def prompt_ids(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None) -> list[int]:
        """The ids of the conversation, up to where the assistant's reply begins. Raises RequestUnsupported."""
        plain = [_plain(message) for message in messages]
        try:
            text: Any = self.tokenizer.apply_chat_template(
                plain,
                tools=list(tools) if tools else None,  # type: ignore[arg-type]
                add_generation_prompt=True,
                tokenize=False,
            )
        except Exception as error:
            raise RequestUnsupported(f"the model's chat template refuses these messages: {error}") from error
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def text(self, ids: Sequence[int]) -> str:
        """The reply's text. Special tokens inside it stay, so that it encodes to what was sampled."""
        body = ids[:-1] if ids and ids[-1] in self.end_ids else ids
        return str(self.tokenizer.decode(list(body), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def reply(self, ids: Sequence[int], *, stops: Sequence[str], tools: bool) -> dict[str, Any]:
        """The sampled ids as an assistant message. Tool calls are looked for only when tools were offered."""
        text = self.text(ids)
        ends = [place for place in (text.find(stop) for stop in stops) if place >= 0]
        text = text[: min(ends)] if ends else text
        content, calls = tool_calls.parse(text) if tools else (text, [])
        if not calls:
            return {"role": "assistant", "content": content}
        made = [
            {
                "id": f"call_{uuid.uuid4().hex[:24]}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ]
        return {"role": "assistant", "content": content or None, "tool_calls": made}


def _plain(message: Message) -> dict[str, Any]:
    """The message as chat templates expect it: text content, tool arguments as an object."""
    plain = dict(message)
    if "role" not in plain:
        raise RequestUnsupported("every message needs a role")
    if plain["role"] == "developer":
        plain["role"] = "system"
    if isinstance(plain.get("content"), list):
        plain["content"] = "".join(_text_part(part) for part in plain["content"])
    if plain.get("tool_calls"):
        plain["tool_calls"] = [_call(call) for call in plain["tool_calls"]]
    else:
        plain.pop("tool_calls", None)
    return plain


def _text_part(part: Any) -> str:
    if isinstance(part, Mapping) and part.get("type") == "text":
        return str(part.get("text", ""))
    raise RequestUnsupported("this server reads text only: leave out images, audio and files")


def _call(call: Any) -> dict[str, Any]:
    try:
        function = dict(call["function"])
        arguments = function.get("arguments") or "{}"
        function["arguments"] = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (KeyError, TypeError, ValueError) as error:
        raise RequestUnsupported("a tool call needs function.name and function.arguments, a JSON object") from error
    return {**call, "function": function}
