"""Conversations: message chains built from the turns of one rollout, by the same rule as trajectories.

For formats made of messages. A conversation that goes on is one chain with every reply in it; a fork is another.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Hashable, Mapping, Sequence
from operator import is_
from typing import Any

from leyden_exporters.forest import Origin, grow
from leyden_exporters.options import Options
from leyden_exporters.report import SpanRow
from leyden_exporters.transitions import drop, select, unsaid
from leyden_store.records import record
from leyden_store.turns import Message, Rollout, Turn


@record(frozen=True, slots=True)
class Conversation:
    """One chain of messages.

    branch:   its place among the rollout's conversations, from 0
    turns:    the turns whose responses belong to this conversation, in order
    messages: OpenAI chat messages, from the first prompt to the last response
    replies:  index in `messages` of each turn's response; other assistant messages are context, trained elsewhere
              or never sampled
    tools:    OpenAI tool definitions, the same for every turn
    """

    branch: int
    turns: tuple[Turn, ...]
    messages: tuple[Message, ...]
    replies: tuple[int, ...]
    tools: tuple[Mapping[str, Any], ...]
    origin: Origin


def conversations(rollout: Rollout, options: Options) -> tuple[list[Conversation], list[SpanRow]]:
    """The rollout's conversations, and a row for every LLM span that is in none.

    Messages are compared by meaning: tool arguments as parsed JSON, absent and empty content alike, reasoning left
    out, since clients do not send it back. Turns with other tools begin another conversation.
    """
    selected, rows = select(rollout, options)
    turns = []
    for turn in sorted(selected, key=lambda turn: (turn.start_ns, len(turn.messages), turn.span_id, turn.trace_id)):
        reason = unsaid(turn)
        if reason is None:
            turns.append(turn)
        else:
            rows.append(drop(turn, reason))
    symbols = _Symbols()
    said = [reply(turn) for turn in turns]
    made = []
    for branch, chain in enumerate(grow(map(symbols.turn, turns, said))):
        members = [turns[step.turn] for step in chain.steps]
        # Symbol 0 stands for the tools.
        replies = tuple(step.start - 1 for step in chain.steps)
        messages = list(members[-1].messages)
        for place, step in zip(replies, chain.steps, strict=True):
            messages[place : place + 1] = [said[step.turn]]
        made.append(
            Conversation(branch, tuple(members), tuple(messages), replies, tuple(members[-1].tools), chain.origin)
        )
    return made, rows


class _Symbols:
    """Numbers for messages: equal meaning, equal number.

    A history that turns share is the same objects again, and so are tool definitions: they are known by identity. The
    turns keep them alive. What the turn before said is not gone through again by one that goes on from it.
    """

    def __init__(self) -> None:
        self._before: tuple[int, Sequence[Message], bytes] = 0, (), b""
        self._numbers: dict[Hashable, int] = {}
        self._messages: dict[int, int] = {}
        self._tools: dict[tuple[int, ...], int] = {}

    def turn(self, turn: Turn, said: Message) -> tuple[bytes, bytes]:
        defined = tuple(map(id, turn.tools))
        tools = self._tools.get(defined)
        if tools is None:
            tools = self._tools[defined] = self._number(
                json.dumps(list(turn.tools), sort_keys=True) if defined else "[]"
            )
        return self._prompt(tools, turn.messages), _pack(self._number(_said(said)))

    def _prompt(self, tools: int, messages: Sequence[Message]) -> bytes:
        had, before, prompt = self._before
        told = len(before)
        if had != tools or told > len(messages) or not all(map(is_, before, messages)):
            told, prompt = 0, _pack(tools)
        known = self._messages
        prompt += _pack(*[known.get(id(message)) or self._message(message) for message in messages[told:]])
        self._before = tools, messages, prompt
        return prompt

    def _message(self, message: Message) -> int:
        number = self._messages[id(message)] = self._number(_said(message))
        return number

    def _number(self, meant: Hashable) -> int:
        return self._numbers.setdefault(meant, len(self._numbers) + 1)


def _pack(*symbols: int) -> bytes:
    return array("i", symbols).tobytes()


def _said(message: Message) -> Hashable:
    """As `meaning`, quicker where a message is but text: two messages share one where they share the other."""
    told = message.get
    content = told("content")
    if type(content) is not str:
        content = _content(content)
    if told("tool_calls") or not (content is None or isinstance(content, str)):
        return meaning(message)
    return told("role") or None, content or None, told("tool_call_id") or None, told("refusal") or None


def meaning(message: Message) -> str:
    """A text that two messages share when they say the same, however their captures spelt it."""
    said: dict[str, Any] = {
        "role": message.get("role"),
        "content": _content(message.get("content")),
        "tool_call_id": message.get("tool_call_id"),
        "refusal": message.get("refusal"),
        "tool_calls": [_tool_call(call) for call in message.get("tool_calls") or ()],
    }
    return json.dumps({key: value for key, value in said.items() if value}, sort_keys=True)


def reply(turn: Turn) -> Message:
    """The turn's response as a message; only for turns that have one."""
    assert turn.response is not None
    return {"role": "assistant"} | {key: value for key, value in turn.response.items() if key != "finish_reason"}


def _content(content: Any) -> Any:
    if isinstance(content, Sequence) and not isinstance(content, str) and len(content) == 1:
        part = content[0]
        if isinstance(part, Mapping) and part.get("type") == "text":
            return part.get("text")
    return content


def _tool_call(call: Mapping[str, Any]) -> list[Any]:
    function = call.get("function") or {}
    return [call.get("id"), function.get("name"), arguments(call)]


def arguments(call: Mapping[str, Any]) -> Any:
    """A tool call's arguments, parsed; the text itself where it is no JSON."""
    text = (call.get("function") or {}).get("arguments")
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text
