"""Between chat messages and token ids: the model's own chat template one way, its tokenizer's decoder the other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from leyden_trainers.errors import RequestUnsupported

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
        return self.encode(text, special=False)

    def encode(self, text: str, *, special: bool) -> list[int]:
        """The ids of a text, with those that the tokenizer puts around one where asked. Raises RequestUnsupported."""
        try:
            ids: list[int] = self.tokenizer(text, add_special_tokens=special)["input_ids"]
        except (TypeError, UnicodeError) as error:  # half a surrogate pair: JSON can say it, nothing can write it
            raise RequestUnsupported("the text holds what is no character: send valid Unicode") from error
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids. Special tokens stay, so that it encodes to what was sampled."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def text(self, ids: Sequence[int]) -> str:
        """A reply's text: without the token that ended the turn."""
        return self.decode(ids[:-1] if ids and ids[-1] in self.end_ids else ids)


def _plain(message: Message) -> dict[str, Any]:
    """The message as chat templates expect it: text content, tool arguments as an object."""
    plain = dict(message)
    if "role" not in plain:
        raise RequestUnsupported("every message needs a role")
    if plain["role"] == "developer":
        plain["role"] = "system"
    if isinstance(plain.get("content"), list):
        plain["content"] = "".join(_text_part(part) for part in plain["content"])
    if calls := plain.get("tool_calls"):
        if not isinstance(calls, list):
            raise RequestUnsupported("a message's tool_calls are a list")
        plain["tool_calls"] = [_call(call) for call in calls]
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
