"""A span tree in a terminal: every span stands in it, however deep, and within its width."""

from __future__ import annotations

from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from leyden.draw import draw
from leyden_store.spans import Span
from leyden_store.tree import build
from tests.support.otlp_making import NOW_NS, make

WIDTH = 80


def chain(length: int) -> list[Span]:
    """Spans, each the child of the one before."""
    return spans([n - 1 for n in range(length)])


def spans(parents: list[int]) -> list[Span]:
    """A span for each of the numbers, which name parents; -1 is none."""
    return [
        make(n, parent=None if parent < 0 else parent, name=f"<{n}>", end_ns=NOW_NS + 10**9)
        for n, parent in enumerate(parents)
    ]


def drawn(given_spans: list[Span]) -> list[str]:
    console = Console(file=StringIO(), width=WIDTH)
    console.print(draw(build(given_spans)))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_children_stand_under_their_parents() -> None:
    lines = [line.partition(">")[0] for line in drawn(spans([-1, 0, 1, 1, 0]))[:5]]
    assert lines == ["<0", "├── <1", "│   ├── <2", "│   └── <3", "└── <4"]


def test_a_span_too_deep_to_be_indented_says_how_deep_it_is() -> None:
    lines = drawn(chain(200))
    assert lines[8].startswith(" " * 28 + "└── <8>")
    assert lines[9].startswith("9 deep … " + " " * 23 + "└── <9>")
    assert lines[199].startswith("199 deep … " + " " * 21 + "└── <199>")


@given(st.lists(st.integers(0, 1 << 30), max_size=60), st.booleans())
def test_every_span_has_its_line(numbers: list[int], steep: bool) -> None:
    parents = [max(0, n - 1 - number % 3) if steep else number % (n + 2) - 1 for n, number in enumerate(numbers)]
    tree = build(spans([min(parent, n - 1) for n, parent in enumerate(parents)]))
    lines = drawn(list(tree.spans))
    named = [line.partition("<")[2].partition(">")[0] for line in lines if "<" in line]
    assert sorted(named) == sorted(span.name.strip("<>") for span in tree.spans)
    assert max(map(cell_len, lines), default=0) <= WIDTH
