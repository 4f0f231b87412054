"""A rollout drawn as training sees it: tokens coloured by mask, and what became of every LLM span."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from leyden_exporters.explain import Explanation, Piece, Row
from leyden_exporters.report import SpanRow


def draw_rollout(explanation: Explanation) -> RenderableType:
    """Trained tokens stand green in ⟦double brackets⟧, so that they show in a pipe too; context is dim."""
    reward = "none" if explanation.reward is None else f"{explanation.reward:g}"
    head = Text("rollout ").append(explanation.rollout_id, style="bold")
    head.append(f"  group {explanation.group_id or '–'}  reward ")
    head.append(reward, style="yellow").append(f" ({explanation.reward_source})", style="dim")
    parts: list[RenderableType] = [head]
    parts += [_row(row) for row in explanation.rows]
    parts += [Text("\nspans", style="bold"), *(_span(span) for span in explanation.spans)]
    return Group(*parts)


def _row(row: Row) -> Text:
    text = Text(f"\nrow {row.branch}", style="bold")
    text.append(f": {row.began}", style="red not bold" if row.began.startswith("broken") else "not bold")
    if row.truncated:
        text.append(", truncated", style="yellow not bold")
    if not row.has_logprobs:
        text.append(", no logprobs", style="yellow not bold")
    for piece in row.pieces:
        text.append(f"\n  {piece.start:>6}  ", style="cyan not bold")
        _piece(text, piece)
    return text


def _piece(text: Text, piece: Piece) -> None:
    said = piece.text.replace("\n", "↵")
    if piece.trained:
        text.append(f"⟦{said}⟧", style="green not bold").append(f"  {piece.span_id}", style="dim not bold")
    else:
        text.append(said, style="dim not bold")


def _span(span: SpanRow) -> Text:
    text = Text(f"  {span.span_id}  ")
    if span.reason is None:
        text.append(f"row {span.branch}", style="green")
    else:
        text.append(f"dropped: {span.reason}", style="red")
    return text.append(f" ({span.detail})" if span.detail else "", style="dim")
