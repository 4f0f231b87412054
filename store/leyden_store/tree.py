"""Span trees: a trace's spans put in their places, whatever state they arrive in.

Pure: spans in, tree out. Nothing is dropped but exact repeats of one span id; every fault is repaired and noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from leyden_store.spans import Span

Key = tuple[str, str]
"""(trace id, span id): what makes a span one span."""


class RepairKind(StrEnum):
    """What was wrong with the spans of a tree."""

    DUPLICATE = "duplicate"
    """The span id came more than once; the fullest one is kept."""
    SELF_PARENT = "self_parent"
    """The span names itself as its parent; it is a root now."""
    MISSING_PARENT = "missing_parent"
    """The span's parent is not among the spans; it is a root now."""
    CYCLE = "cycle"
    """The span stood in a ring of parents; the ring is cut here, so it is a root now."""
    SEVERAL_ROOTS = "several_roots"
    """The trace has a root before this one."""
    OUTSIDE_PARENT = "outside_parent"
    """The span starts before its parent or ends after it (clocks differ, or it outlived the parent); times are kept."""
    ENDS_BEFORE_START = "ends_before_start"
    """The span ends before it starts; times are kept."""


@dataclass(frozen=True, slots=True)
class Repair:
    """One fault found and what was done about it."""

    kind: RepairKind
    span_id: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SpanTree:
    """Spans in their places; of one trace, or of the several traces of one rollout.

    spans:    every distinct span, by start time
    roots:    spans with no parent here, by start time
    repairs:  every fault, by span
    """

    spans: tuple[Span, ...]
    roots: tuple[Span, ...]
    repairs: tuple[Repair, ...]
    _parents: Mapping[Key, Span]
    _children: Mapping[Key, Sequence[Span]]

    def parent(self, span: Span) -> Span | None:
        """The span's parent in this tree, None for a root."""
        return self._parents.get((span.trace_id, span.span_id))

    def children(self, span: Span) -> Sequence[Span]:
        """The span's children, by start time."""
        return self._children.get((span.trace_id, span.span_id), ())

    def ancestors(self, span: Span) -> Iterator[Span]:
        """Parent, grandparent and so on up to the root."""
        parent = self.parent(span)
        while parent is not None:
            yield parent
            parent = self.parent(parent)

    def walk(self, start: Span | None = None) -> Iterator[tuple[int, Span]]:
        """(depth, span), each parent before its children; the whole tree, or what lies under one span."""
        stack = [(0, span) for span in (reversed(self.roots) if start is None else (start,))]
        while stack:
            depth, span = stack.pop()
            yield depth, span
            stack.extend((depth + 1, child) for child in reversed(self.children(span)))


def build(spans: Iterable[Span]) -> SpanTree:
    """Put spans in their places. The result does not depend on their order.

    Every distinct span is in the tree exactly once. Parents are looked for within a span's own trace.
    """
    repairs: list[Repair] = []
    known = _distinct(spans, repairs)
    ordered = sorted(known.values(), key=_order)
    parents = _parents(ordered, known, repairs)
    children: dict[Key, list[Span]] = {}
    roots: list[Span] = []
    rooted: dict[str, Span] = {}
    for span in ordered:
        parent = parents.get((span.trace_id, span.span_id))
        if span.end_ns < span.start_ns:
            repairs.append(Repair(RepairKind.ENDS_BEFORE_START, span.span_id, f"by {span.start_ns - span.end_ns} ns"))
        if parent is None:
            roots.append(span)
            first = rooted.setdefault(span.trace_id, span)
            if first is not span and not span.parent_span_id:
                repairs.append(Repair(RepairKind.SEVERAL_ROOTS, span.span_id, f"beside {first.span_id}"))
            continue
        children.setdefault((parent.trace_id, parent.span_id), []).append(span)
        if span.start_ns < parent.start_ns or span.end_ns > parent.end_ns:
            repairs.append(_outside(span, parent))
    repairs.sort(key=lambda repair: (repair.span_id, repair.kind, repair.detail))
    return SpanTree(tuple(ordered), tuple(roots), tuple(repairs), parents, children)


def _order(span: Span) -> tuple[int, str, str]:
    return span.start_ns, span.trace_id, span.span_id


def _distinct(spans: Iterable[Span], repairs: list[Repair]) -> dict[Key, Span]:
    known: dict[Key, Span] = {}
    copies: dict[Key, int] = {}
    for span in spans:
        key = (span.trace_id, span.span_id)
        before = known.get(key)
        if before is None:
            known[key] = span
            continue
        copies[key] = copies.get(key, 1) + 1
        if span != before:
            known[key] = max(before, span, key=_fullness)
    repairs.extend(Repair(RepairKind.DUPLICATE, key[1], f"came {count} times") for key, count in copies.items())
    return known


def _fullness(span: Span) -> tuple[int, int, int, str]:
    # The text breaks ties, so that the choice does not depend on which came first.
    return span.end_ns, len(span.attributes), len(span.events), repr(span)


def _parents(ordered: Sequence[Span], known: Mapping[Key, Span], repairs: list[Repair]) -> dict[Key, Span]:
    parents: dict[Key, Span] = {}
    in_order = True
    for span in ordered:
        if not span.parent_span_id:
            continue
        if span.parent_span_id == span.span_id:
            repairs.append(Repair(RepairKind.SELF_PARENT, span.span_id))
            continue
        parent = known.get((span.trace_id, span.parent_span_id))
        if parent is None:
            repairs.append(Repair(RepairKind.MISSING_PARENT, span.span_id, span.parent_span_id))
            continue
        parents[(span.trace_id, span.span_id)] = parent
        in_order = in_order and parent.start_ns < span.start_ns
    if not in_order:  # else no span can stand above itself
        _cut_cycles(ordered, parents, repairs)
    return parents


def _cut_cycles(ordered: Sequence[Span], parents: dict[Key, Span], repairs: list[Repair]) -> None:
    """Cut each ring of parents at its earliest span."""
    settled: set[Key] = set()
    for start in ordered:
        path: list[Span] = []
        on_path: set[Key] = set()
        span: Span | None = start
        while span is not None:
            key = (span.trace_id, span.span_id)
            if key in settled:
                break
            if key in on_path:
                ring = path[next(i for i, s in enumerate(path) if s is span) :]
                cut = min(ring, key=_order)
                del parents[(cut.trace_id, cut.span_id)]
                repairs.append(Repair(RepairKind.CYCLE, cut.span_id, f"ring of {len(ring)}"))
                break
            path.append(span)
            on_path.add(key)
            span = parents.get(key)
        settled |= on_path


def _outside(span: Span, parent: Span) -> Repair:
    early, late = parent.start_ns - span.start_ns, span.end_ns - parent.end_ns
    said = [f"starts {early} ns before"] if early > 0 else []
    said += [f"ends {late} ns after"] if late > 0 else []
    return Repair(RepairKind.OUTSIDE_PARENT, span.span_id, " and ".join(said) + f" {parent.span_id}")
