"""Span trees hold every span once, in its place, whatever state the spans arrive in."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from leyden_store.spans import Span
from leyden_store.tree import RepairKind, SpanTree, build


def span(span_id: str, parent: str = "", start: int = 0, end: int = 100, trace: str = "t", name: str = "x") -> Span:
    return Span(trace_id=trace, span_id=span_id, parent_span_id=parent, name=name, start_ns=start, end_ns=end)


def kinds(tree: SpanTree) -> list[tuple[RepairKind, str]]:
    return [(repair.kind, repair.span_id) for repair in tree.repairs]


def shape(tree: SpanTree) -> list[tuple[int, str]]:
    return [(depth, found.span_id) for depth, found in tree.walk()]


ids = st.sampled_from("abcdefgh")
garbage = st.lists(
    st.builds(
        span,
        ids,
        st.one_of(st.just(""), ids, st.just("nowhere")),
        start=st.integers(0, 5),
        end=st.integers(0, 5),
        trace=st.sampled_from(["t", "u"]),
        name=st.sampled_from(["x", "y"]),
    ),
    max_size=25,
)


@given(garbage)
def test_every_distinct_span_is_in_the_tree_exactly_once(spans: list[Span]) -> None:
    tree = build(spans)
    walked = [(found.trace_id, found.span_id) for _, found in tree.walk()]
    assert sorted(walked) == sorted({(s.trace_id, s.span_id) for s in spans})
    assert all(found in spans for found in tree.spans)


@given(garbage, st.randoms())
def test_the_tree_does_not_depend_on_the_order_of_the_spans(spans: list[Span], chance: random.Random) -> None:
    tree = build(spans)
    chance.shuffle(spans)
    assert build(spans) == tree


@given(garbage)
def test_every_parent_kept_is_the_one_the_span_names(spans: list[Span]) -> None:
    tree = build(spans)
    for found in tree.spans:
        parent = tree.parent(found)
        if parent is not None:
            assert (parent.trace_id, parent.span_id) == (found.trace_id, found.parent_span_id)
            assert found in tree.children(parent)
    assert sum(len(tree.children(found)) for found in tree.spans) + len(tree.roots) == len(tree.spans)


@given(garbage)
def test_a_span_without_its_parent_is_a_root_with_a_repair_that_says_why(spans: list[Span]) -> None:
    tree = build(spans)
    why = {RepairKind.MISSING_PARENT, RepairKind.SELF_PARENT, RepairKind.CYCLE}
    told = {repair.span_id for repair in tree.repairs if repair.kind in why}
    assert all(root.span_id in told for root in tree.roots if root.parent_span_id)


def test_a_whole_tree_needs_no_repair() -> None:
    tree = build([span("c", "b", 20, 30), span("a"), span("b", "a", 10, 90), span("d", "a", 5, 6)])
    assert shape(tree) == [(0, "a"), (1, "d"), (1, "b"), (2, "c")]
    assert tree.repairs == ()
    (c,) = [found for found in tree.spans if found.span_id == "c"]
    assert [above.span_id for above in tree.ancestors(c)] == ["b", "a"]


def test_a_span_sent_twice_is_kept_once_and_the_fuller_one_wins() -> None:
    early = span("a", end=10)
    late = replace(early, end_ns=50, attributes={"done": True})
    tree = build([early, late, early])
    assert tree.spans == (late,)
    assert kinds(tree) == [(RepairKind.DUPLICATE, "a")]
    assert tree.repairs[0].detail == "came 3 times"


def test_a_ring_is_cut_at_its_earliest_span() -> None:
    tree = build([span("a", "c", start=3), span("b", "a", start=1), span("c", "b", start=2)])
    assert shape(tree) == [(0, "b"), (1, "c"), (2, "a")]
    assert (RepairKind.CYCLE, "b") in kinds(tree)


def test_orphans_self_parents_and_second_roots_are_noted() -> None:
    tree = build([span("a"), span("b", "gone"), span("c", "c"), span("d", start=1)])
    assert kinds(tree) == [
        (RepairKind.MISSING_PARENT, "b"),
        (RepairKind.SELF_PARENT, "c"),
        (RepairKind.SEVERAL_ROOTS, "d"),
    ]
    assert len(tree.roots) == 4


def test_a_child_outside_its_parent_is_noted_and_its_times_are_kept() -> None:
    tree = build([span("a", start=10, end=20), span("b", "a", start=5, end=25), span("c", "a", start=18, end=11)])
    noted = {repair.span_id: repair for repair in tree.repairs}
    assert noted["b"].kind is RepairKind.OUTSIDE_PARENT
    assert noted["b"].detail == "starts 5 ns before and ends 5 ns after a"
    assert noted["c"].kind is RepairKind.ENDS_BEFORE_START


def test_the_same_span_id_in_two_traces_is_two_spans() -> None:
    tree = build([span("a"), span("a", trace="u"), span("b", "a", trace="u")])
    assert len(tree.spans) == 3
    assert tree.parent(tree.spans[2]) == span("a", trace="u")


def test_a_chain_ten_thousand_deep_is_walked() -> None:
    depth = 10_000
    tree = build([span(str(i), str(i - 1) if i else "") for i in range(depth)])
    assert max(found for found, _ in tree.walk()) == depth - 1
    assert len(build([span(str(i), str((i + 1) % depth)) for i in range(depth)]).roots) == 1
