"""A span tree drawn for the terminal: durations, tokens, messages cut to width, errors in red."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

from rich.console import Group, RenderableType
from rich.text import Text

from leyden_store.reading import read_rollouts
from leyden_store.spans import Span
from leyden_store.tree import SpanTree
from leyden_store.turns import Message, Turn

_TEXT_WIDTH = 100
_DEEPEST = 8
"""Levels drawn inside one another. Further down a line says how deep it is, or it would begin right of the terminal."""


def draw(tree: SpanTree) -> RenderableType:
    """One line a span, and under an LLM call what was new in its prompt and what it answered."""
    turns = {t.span_id: t for rollout in read_rollouts(tree.spans) for t in rollout.turns}
    lines: list[Text] = []
    above: list[str] = []  # of the last span drawn at each depth, what stands left of its children
    for depth, span in tree.walk():
        parent = tree.parent(span)
        last = parent is None or tree.children(parent)[-1] is span
        left = above[depth - 1] if depth else ""
        own, below = ("", "") if depth == 0 else ("└── ", "    ") if last else ("├── ", "│   ")
        above[depth:] = [(left + below)[-4 * _DEEPEST :]]
        far = f"{depth} deep … " if depth > _DEEPEST else ""
        guides = far + left[len(far) :]
        for line in _label(span, turns.get(span.span_id)).split():
            lines.append(Text(guides + own, style="dim", overflow="ellipsis", no_wrap=True).append_text(line))
            guides, own = left, below
    lines += [Text(f"{repair.kind}: {repair.span_id} {repair.detail}", style="yellow") for repair in tree.repairs]
    return Group(*lines)


def _label(span: Span, turn: Turn | None) -> Text:
    text = Text()
    text.append(span.name, style="bold red" if span.status == "Error" else "bold")
    text.append(f"  {_duration(span.end_ns - span.start_ns)}", style="cyan")
    if span.attributes.get("leyden.synthetic"):
        text.append("  reconstructed", style="dim italic")
    if turn is not None:
        if turn.usage.input is not None or turn.usage.output is not None:
            text.append(f"  {turn.usage.input or 0}→{turn.usage.output or 0} tokens", style="magenta")
        if turn.response_token_ids:
            text.append(f"  {len(turn.response_token_ids)} ids", style="green")
        for name, value in turn.rewards.items():
            text.append(f"  {name} {value:g}", style="yellow")
        new = [m for m in turn.messages[_answered(turn.messages) :] if m.get("role") != "system"]
        for message in (*new, *([turn.response] if turn.response else ())):
            text.append(f"\n{_said(message)}", style="dim")
    elif "gen_ai.tool.call.arguments" in span.attributes:
        arguments, result = (span.attributes.get(f"gen_ai.tool.call.{k}", "") for k in ("arguments", "result"))
        text.append(f"\n{_cut(f'{arguments} → {result}')}", style="dim")
    for event in span.events:
        if event.name == "gen_ai.evaluation.result":
            score = event.attributes.get("gen_ai.evaluation.score.value")
            text.append(f"  {event.attributes.get('gen_ai.evaluation.name', 'reward')} {score}", style="yellow")
    if span.status == "Error" and span.status_message:
        text.append(f"\n{_cut(span.status_message)}", style="red")
    return text


def _answered(messages: Sequence[Message]) -> int:
    """Where the messages begin that no earlier reply has seen: after the last assistant's."""
    for index in range(len(messages), 0, -1):
        if messages[index - 1].get("role") == "assistant":
            return index
    return 0


def _said(message: Message) -> str:
    content = message.get("content")
    said = content if isinstance(content, str) else "" if content is None else json.dumps(content, ensure_ascii=False)
    calls = [f"{c['function']['name']}({c['function']['arguments']})" for c in message.get("tool_calls") or ()]
    return _cut(f"{message.get('role', '?')}: {' '.join(filter(None, [said, *calls]))}")


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _TEXT_WIDTH else flat[: _TEXT_WIDTH - 1] + "…"


def _duration(ns: int) -> str:
    for (unit, size), (_, larger) in pairwise((("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("", float("inf")))):
        if ns < larger:
            return f"{ns / size:.3g} {unit}"
    return f"{ns} ns"
