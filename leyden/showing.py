"""What rich draws, printed: its text `visible`, as wide as the terminal, and whole in a pipe."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment

from leyden.terminal import visible

_PIPE_WIDTH = 10_000
"""Columns. A pipe has no width to keep to; whoever looks for a word in it finds it."""


class _Visible:
    """A renderable whose text is `visible`."""

    def __init__(self, drawn: RenderableType) -> None:
        self._drawn = drawn

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._drawn, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def show(drawn: RenderableType, *, soft_wrap: bool = False) -> None:
    """Print it. Strings in it are taken as they are: brackets are no markup, `:smile:` no picture.

    soft_wrap: leave it to the terminal to wrap long lines, so that they are copied as they were
    """
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(_Visible(drawn), soft_wrap=soft_wrap)
